// A folder of pictures from the command line: what is shown of the data set, and its contact sheet.
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct DatasetCommandTests {
    private let place: CommandPlace

    init() throws {
        place = try CommandPlace()
        try place.write(
            """
            name: birds
            space: {base: ofa-mbv3-w1.0, name: birds, classes: 3, channels: 3, resolutions: [64]}
            stages:
              data: {kind: import-dataset, dataset: birds, folder: pictures}

            """)
        var seed = 0
        for (part, count) in [("train", 10), ("test", 3)] {
            for name in ["heron", "ibis", "jay"] {
                let folder = place.folder.appending(path: "pictures/\(part)/\(name)")
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true)
                for number in 0..<count {
                    seed += 1
                    let pixels = (0..<40 * 30 * 3).map {
                        UInt8(truncatingIfNeeded: ($0 &* seed) >> 3)
                    }
                    let png = try PictureEncoder.png(pixels, width: 40, height: 30)
                    try Data(png).write(to: folder.appending(path: "\(number).png"))
                }
            }
        }
    }

    @Test(
        "a folder beside the pipeline file is imported, shown with its classes, and seen as a sheet"
    )
    func shown() throws {
        let run = try place.ofa("run", "tiny.yaml")
        #expect(run.status == 0, "\(run.errors)")
        let shown = try place.document("artifacts", "show", "birds-dataset")
        let data = try #require(shown["data_set"] as? [String: Any])
        #expect(data["pictures"] as? Int == 30 && data["form"] as? String == "image-folder")
        #expect(data["widths"] as? [Int] == [40, 40] && data["heights"] as? [Int] == [30, 30])
        #expect((data["mean"] as? [Double])?.count == 3)
        let classes = try #require(data["classes"] as? [[String: Any]])
        #expect(classes.compactMap { $0["name"] as? String } == ["heron", "ibis", "jay"])
        #expect(classes.compactMap { $0["pictures"] as? Int } == [10, 10, 10])
        let table = try place.ofa("artifacts", "show", "birds-dataset").output
        #expect(table.contains("heron 10, ibis 10, jay 10"), "\(table)")
        let sheet = try place.document("dataset", "show", "birds-dataset", "-o", "sheet.png")
        #expect((sheet["rows"] as? [[String: Any]])?.count == 3)
        let png = [UInt8](try Data(contentsOf: place.folder.appending(path: "sheet.png")))
        let picture = try PictureDecoder(channels: 3).decode(png)
        // Three rows of eight tiles of 96 pixels, 4 apart.
        #expect(picture.width == 4 + 8 * 100 && picture.height == 4 + 3 * 100)
        let plain = try place.ofa("dataset", "show", "birds-test-images").output
        #expect(plain.contains("heron 3, ibis 3, jay 3"), "\(plain)")
        let again = try place.ofa("dataset", "show", "birds-dataset", "-o", "sheet.png")
        #expect(again.status != 0 && again.errors.contains("--force"), "\(again.errors)")
    }

    @Test("a shard of images has a sheet too; other artifacts have none")
    func others() throws {
        let tiny = try CommandPlace(images: true)
        try tiny.write(
            ArtifactsHealCommandTests.pipeline.components(separatedBy: "  full:")[0])
        #expect(try tiny.ofa("run", "tiny.yaml").status == 0)
        let sheet = try tiny.ofa("dataset", "show", "tiny-dataset", "-o", "sheet.png")
        #expect(sheet.status == 0, "\(sheet.errors)")
        let shown = try tiny.document("artifacts", "show", "tiny-dataset")
        let data = try #require(shown["data_set"] as? [String: Any])
        #expect((data["classes"] as? [Any])?.count == 10)
        #expect(try place.ofa("run", "tiny.yaml").status == 0)
        let wrong = try place.ofa("dataset", "show", "birds-survey", "-o", "other.png")
        #expect(wrong.status != 0 && wrong.errors.contains("not a data set"), "\(wrong.errors)")
    }

    @Test("what is missing or refused is said before a run is enqueued, with the line and the host")
    func refused() throws {
        let host = ProcessInfo.processInfo.hostName
        let gone = try place.ofa("run", "tiny.yaml", "--set", "stages.data.folder=gone")
        #expect(gone.status != 0 && gone.errors.contains("there is no folder"), "\(gone.errors)")
        #expect(gone.errors.contains("on host \(host)"), "\(gone.errors)")
        try FileManager.default.createDirectory(
            at: place.folder.appending(path: "odd"), withIntermediateDirectories: true)
        try Data("text".utf8).write(to: place.folder.appending(path: "odd/notes.txt"))
        let odd = try place.ofa("run", "tiny.yaml", "--set", "stages.data.folder=odd")
        #expect(
            odd.status != 0 && odd.errors.contains("is no data set that is known"), "\(odd.errors)")
        for (key, text) in [
            ("store=file", "files"), ("format=folder", "image-folder"), ("channels=1", "take 3"),
            ("on_bad_file=ignore", "stop"), ("resize=all", "published"), ("size=4", "8"),
            ("classes=4", "tell 3 apart"),
        ] {
            let run = try place.ofa("run", "tiny.yaml", "--set", "stages.data.\(key)")
            #expect(run.status != 0 && run.errors.contains(text), "\(key): \(run.errors)")
        }
    }
}
