// The measurements of `ofa-bench data` for one data set: the loader alone with each augmentation, training alone, and
// both together.
import Datasets
import Foundation
import Networks
import Tensors

/// Times the loader of one source, and the training of one network with and without the loader.
struct LoaderRun {
    /// The description of the images.
    let name: String
    /// The source of the images.
    let source: any ImageSource
    /// Stored bytes of all images.
    let storedBytes: Int
    /// The network in training: its space, --arch and image size.
    let space: SearchSpace, arch: String, resolution: Int
    /// Images of a batch, and seconds of every measurement.
    let batch: Int, seconds: Double
    /// The engine.
    let engine: CPUEngine

    /// Threads of the loader: as many as the engine's if images are decoded, else one.
    private var loaderThreads: Int { source.isDecoded ? engine.threads : 1 }

    private static let cases: [(name: String, augmentation: Augmentation)] = [
        ("whole", .none),
        ("flip", Augmentation(flip: true)),
        ("shift", Augmentation(flip: false, shift: 4)),
        ("resized crop", Augmentation(minArea: 0.08, flip: false, cropStyle: .resized)),
        ("brightness", Augmentation(flip: false, brightness: 32.0 / 255)),
        ("brightness, saturation", Augmentation(flip: false, brightness: 0.13, saturation: 0.5)),
        ("all, as published", .imageNet),
    ]

    /// Runs all measurements and returns the report.
    func report() throws -> LoaderReport {
        let normalization = try source.normalization(of: Array(0..<min(source.count, 64)))
        let loader = PrefetchingLoader(
            source, normalization: normalization, images: batch, size: resolution,
            threads: loaderThreads)
        let choice = try ArchChoice.read(
            arch, space: space, resolution: resolution, count: 1, seed: 1)[0]
        let pass = try SubnetPass(space, choice.config, batch: batch, engine: engine)
        Output.note("\(name): training \(space.name) \(choice.name), alone and with the loader")
        let training = try train(pass, loader, normalization)
        let rate = Double(batch) / training.alone
        // Shifts apply only to images of one fixed size; other images are resized instead.
        let cases = Self.cases.filter { source.fixedSize != nil || $0.augmentation.shift == 0 }
        let lines = try cases.map { entry in
            Output.note("\(name): \(entry.name)")
            let imagesPerS = try loaderRate(loader, entry.augmentation)
            return LoaderReport.Line(
                augmentation: entry.name, imagesPerS: imagesPerS,
                readMbPerS: imagesPerS * Double(storedBytes / source.count) / 1e6,
                writtenMbPerS: imagesPerS * Double(resolution * resolution * source.channels * 4)
                    / 1e6,
                timesTraining: imagesPerS / rate)
        }
        return LoaderReport(
            data: name, space: space.name, arch: choice.config, archName: choice.name, batch: batch,
            threads: engine.threads, loaderThreads: loaderThreads, trainingImagesPerS: rate,
            trainingStepMs: 1e3 * training.alone, withLoaderStepMs: 1e3 * training.together,
            inlineStepMs: 1e3 * training.inline,
            waitedMs: 1e3 * training.waited, lines: lines)
    }

    /// Returns the request for a batch of images drawn from the whole source.
    private func request(_ number: Int, _ augmentation: Augmentation) -> BatchRequest {
        var stream = RandomStream(seed: 11, number)
        let images = (0..<batch).map { _ in stream.below(source.count) }
        return BatchRequest(
            images[...], size: resolution, augmentation: augmentation,
            streams: ImageStreams(seed: 12, step: number))
    }

    /// Returns the images per second that the loader's threads make while two batches are requested in advance.
    private func loaderRate(
        _ loader: PrefetchingLoader, _ augmentation: Augmentation
    ) throws -> Double {
        let clock = ContinuousClock()
        // The first batches load the images into the page cache.
        var made = 0, start = clock.now
        for warm in 0..<2 { loader.request(request(warm, augmentation)) }
        for number in 2... {
            _ = try loader.next()
            if number == 5 { (made, start) = (0, clock.now) }
            if number > 5 {
                made += batch
                if (clock.now - start) / .seconds(1) >= seconds { break }
            }
            loader.request(request(number, augmentation))
        }
        let time = (clock.now - start) / .seconds(1)
        loader.cancel()
        return Double(made) / time
    }

    /// Alternates steps of three kinds and returns their median seconds: on images in memory, with the loader, and with
    /// images that the engine's threads make first. `waited` is the median of the seconds spent waiting for the loader.
    private func train(
        _ pass: SubnetPass, _ loader: PrefetchingLoader, _ normalization: PixelNormalization
    ) throws -> (alone: Double, together: Double, inline: Double, waited: Double) {
        let clock = ContinuousClock()
        var alone: [Double] = [], together: [Double] = [], inline: [Double] = []
        var waited: [Double] = []
        let direct = BatchLoader(source, normalization: normalization)
        for _ in 0..<2 { pass.run(.train) }
        loader.request(request(0, .imageNet))
        let start = clock.now
        while (clock.now - start) / .seconds(1) < 4 * seconds || alone.count < 3 {
            let next = request(alone.count + 1, .imageNet)
            alone.append(clock.measure { pass.run(.train) } / .seconds(1))
            let time = try clock.measure {
                let batch = try loader.next()
                loader.request(next)
                waited.append(batch.secondsWaited)
                pass.train(batch.images, batch.labels)
            }
            together.append(time / .seconds(1))
            let inlineTime = try clock.measure {
                let (images, labels) = try direct.batch(
                    next.images, size: next.size, augmentation: next.augmentation,
                    streams: next.streams, engine: engine)
                pass.train(images, labels)
            }
            inline.append(inlineTime / .seconds(1))
        }
        loader.cancel()
        return (
            Statistics(alone).median, Statistics(together).median, Statistics(inline).median,
            Statistics(waited).median
        )
    }
}
