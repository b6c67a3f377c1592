// `ofa dataset draw`: draws a folder of pictures, to try and to test the program with.

import ArgumentParser
import Datasets
import Foundation
import Intake

/// Draws a folder of pictures in the layout train/CLASS/… and test/CLASS/….
struct DatasetDraw: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "draw",
        abstract: "Draws a folder of pictures in classes that can be learnt.",
        discussion: """
            Each picture shows an object of its class, such as a striped disc, on a textured background among other \
            objects. Place, size, turn, colour and light vary, the longer side has 200 to 400 pixels, and a file about \
            15 kB. The files are FOLDER/train/CLASS/0000.jpg and on, and FOLDER/test/CLASS/0000.jpg and on.

            The same options draw the same pictures on every machine. The folder appears when it is complete. If it \
            exists with these pictures, nothing is drawn; if it holds anything else, the command fails.

            Example:
              ofa dataset draw pictures
              ofa dataset draw pictures --classes 37 --train 100 --test 20 --seed 2
            """)

    /// The JSON answer.
    struct Answer: Encodable {
        let folder: String
        /// The names of the classes.
        let classes: [String]
        let train, test: Int
        /// Whether the pictures were drawn now; false if the folder had them already.
        let drawn: Bool
    }

    /// The folder.
    @Argument(help: "The folder to draw into.", completion: .directory) var folder: String
    /// The number of classes.
    @Option(
        help: "How many classes, at most \(DrawnClass.count) (10).",
        transform: Number.whole(1...DrawnClass.count))
    var classes = 10
    /// The number of training pictures per class.
    @Option(help: "Pictures of a class to train on (200).", transform: Number.whole(1...1_000_000))
    var train = 200
    /// The number of test pictures per class.
    @Option(
        help: "Pictures of a class to test with; 0 for none (50).",
        transform: Number.whole(0...1_000_000))
    var test = 50
    /// The seed of the pictures.
    @Option(help: "The seed of the pictures (1).", transform: Number.seed) var seed: UInt64 = 1
    /// The number of threads that draw; nil for one per processor.
    @Option(
        help: ArgumentHelp(
            "How many threads draw; by default this machine's processors.", valueName: "n"),
        transform: Number.whole(1...256))
    var threads: Int?
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Draws the pictures unless the folder already has them, and prints the result.
    mutating func run() throws {
        let path: String
        do throws(InputFault) { path = try TextRule.path.checked(folder) } catch {
            throw ValidationError("the folder \(error.reason)", remedy: error.remedy)
        }
        // A path that ends in / names the same folder.
        let target = URL(filePath: path).standardizedFileURL.path
        let drawing = DrawnFolder(classes: classes, train: train, test: test, seed: seed)
        let start = ContinuousClock.now
        let all = Format.grouped(drawing.count)
        var shown = start
        let outcome = try drawing.write(
            to: target, threads: min(threads ?? HostRoom.machineThreads, 256)
        ) { done in
            let now = ContinuousClock.now
            guard now - shown > .milliseconds(100) || done == drawing.count else { return }
            shown = now
            let seconds = (now - start) / .seconds(1)
            Output.progress(
                "drew \(Format.grouped(done)) of \(all) pictures, "
                    + "\(Format.grouped(Int(Double(done) / max(seconds, 0.001)))) pictures/s")
        }
        Output.endProgress()
        let answer = Answer(
            folder: path, classes: drawing.classNames, train: train, test: test,
            drawn: outcome == .drawn)
        try Output.answer(answer, output) { try say(answer, all) }
    }

    private func say(_ answer: Answer, _ all: String) throws {
        try Output.line(
            answer.drawn
                ? "\(answer.folder): drew \(all) pictures, \(train) to train on and \(test) to test with in each of "
                    + "\(classes) classes"
                : "\(answer.folder): has these \(all) pictures already; nothing was drawn")
    }
}
