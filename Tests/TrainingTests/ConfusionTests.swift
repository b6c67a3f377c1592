// The table of confusions: hand-computed answers, and agreement with the plain measurement.
import Datasets
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct ConfusionTests {
    @Test("ranks and losses of three answers are those computed by hand")
    func answers() {
        let logits: [Float] = [0, 7, 1, 2, 3, 4, 5]
        func answer(_ label: Int) -> Confusion.Answer {
            Confusion.Answer(logits[...], label: label)
        }
        #expect(answer(1).predicted == 1 && answer(1).isAmongFive)
        // Sorted: 1, 6, 5, 4, 3, 2, 0; class 3 is the fifth, class 2 the sixth.
        #expect(answer(3).isAmongFive && !answer(2).isAmongFive && answer(2).predicted == 1)
        let sum = logits.reduce(0.0) { $0 + exp(Double($1)) }
        #expect(abs(answer(0).loss - log(sum)) < 1e-12)
        // Of equal logits the lower class is the larger.
        let equal: [Float] = [1, 1, 1, 1, 1, 1]
        #expect(Confusion.Answer(equal[...], label: 4).isAmongFive)
        #expect(!Confusion.Answer(equal[...], label: 5).isAmongFive)
        #expect(Confusion.Answer(equal[...], label: 5).predicted == 0)
    }

    @Test("sums and shares follow from the table")
    func table() {
        var table = Confusion(classes: 3)
        #expect(table.images == 0 && table.top1 == 0 && table.loss == 0)
        for (label, logits) in [(0, [2, 1, 0]), (0, [0, 2, 1]), (2, [0, 1, 2]), (1, [0, 2, 1])]
            as [(Int, [Float])]
        { table.add(Confusion.Answer(logits[...], label: label), label: label) }
        #expect(table[0, 0] == 1 && table[0, 1] == 1 && table[2, 2] == 1 && table[1, 1] == 1)
        #expect(table.images(of: 0) == 2 && table.predictions(of: 1) == 2)
        #expect(table.images == 4 && table.top1 == 0.75 && table.top5 == 1)
    }

    @Test("the table agrees with the plain measurement, on one thread and on two")
    func measured() throws {
        let fixture = try TrainingFixture(count: 168)
        let shape = try NetworkShape(fixture.space, fixture.space.smallest)
        var tables: [Confusion] = []
        for threads in [1, 2] {
            let network = try Network(
                supernet: try Weights(supernetOf: fixture.space, seed: 3), of: fixture.space,
                engine: try CPUEngine(threads: threads))
            let evaluator = Evaluator(network, batch: 7)
            let statistics = try evaluator.calibrate(shape, data: fixture.data, count: 100, seed: 1)
            let subnet = Evaluator.Calibrated(shape, statistics: statistics)
            var shares: [Double] = []
            let table = try evaluator.confusion(
                subnet, loader: fixture.data.loader, images: fixture.training
            ) { shares.append($0) }
            let plain = try evaluator.measure(
                shape, statistics: statistics, loader: fixture.data.loader,
                images: fixture.training)
            #expect(table.images == fixture.training.count && table.top1 == plain.top1)
            // The losses are sums of the same numbers in other precisions.
            #expect(abs(table.loss - plain.loss) < 1e-5)
            // Lane 0 reports progress; of two lanes the other may have done all batches.
            #expect(shares == shares.sorted() && (threads > 1 || shares.last == 1))
            tables.append(table)
        }
        #expect(tables[0].counts == tables[1].counts)
    }
}
