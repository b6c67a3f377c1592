// Every picture of the fixtures has exactly its outcome; and what the decoder promises besides.
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Datasets

@Suite(.enabled(if: ImageIndex.shared != nil, ImageIndex.hint))
struct PictureDecoderTests {
    @Test("a picture is decoded to the stated bytes, or refused", arguments: ImageIndex.pictures)
    func outcome(fixture: PictureFixture) throws {
        let bytes = try ImageIndex.bytes(fixture.path)
        let decoder = PictureDecoder()
        guard let expected = fixture.decoded else {
            // What an importer ignores because of its name only is still a picture.
            if fixture.outcome == "ignored", PictureKind(bytes) == .jpeg {
                #expect(try decoder.decode(bytes).width == 97)
                return
            }
            let error = #expect(throws: DatasetError.self) { try decoder.decode(bytes) }
            if let error, fixture.outcome == "refused" {
                expectSense(of: error, fixture.reason ?? "")
            }
            return
        }
        let picture = try decoder.decode(bytes)
        #expect(picture.width == expected.width && picture.height == expected.height)
        #expect(sha256(picture.pixels) == expected.sha256)
        if fixture.warns == true { #expect(picture.warnings.count > 0) }
        #expect((picture.warnings.count > 0) == (picture.warnings.first != nil))
    }

    /// Expects the error to say what the index says, in our words.
    private func expectSense(of error: DatasetError, _ reason: String) {
        let senses: [(start: String, code: DatasetError.Code, words: String)] = [
            ("truncated", .truncated, "truncated"), ("empty file", .truncated, "empty file"),
            ("corrupt PNG", .corrupt, "corrupt PNG"), ("invalid PNG", .corrupt, "corrupt PNG"),
            ("PNG without its palette", .corrupt, "PLTE"),
            ("2 colour components", .wrongFormat, "2 colour components"),
            ("no height", .wrongDimensions, "no height"),
            ("empty picture", .wrongDimensions, "no width"),
            ("12-bit", .wrongFormat, "12 bits"), ("lossless", .wrongFormat, "lossless"),
            ("unknown critical", .wrongFormat, "ABCD: unhandled critical chunk"),
            ("CgBI", .wrongFormat, "CgBI"), ("gzip", .wrongFormat, "gzip data"),
            ("not a picture", .wrongFormat, "not a picture"),
            ("Git LFS pointer", .wrongFormat, "Git LFS pointer"),
        ]
        if reason.hasPrefix("more pixels than allowed") {
            let size = reason.split(separator: "(")[1].dropLast()
            #expect(error.code == .tooLarge && error.reason.contains(size), "\(error)")
        } else if reason.hasPrefix("unsupported format") {
            let name = reason.replacingOccurrences(of: " (by content)", with: "")
            #expect(error.code == .wrongFormat && error.reason.hasPrefix(name), "\(error)")
        } else if let sense = senses.first(where: { reason.hasPrefix($0.start) }) {
            #expect(error.code == sense.code, "\(reason): \(error)")
            #expect(error.reason.contains(sense.words), "\(reason): \(error)")
        } else {
            Issue.record("no sense for '\(reason)'")
        }
        #expect(error.remedy != nil)
    }

    @Test("one decoder gives the same bytes after any other picture", arguments: [1, 3])
    func reuse(channels: Int) throws {
        let decoder = PictureDecoder(channels: channels)
        for fixture in ImageIndex.pictures where fixture.heavy != true {
            let bytes = try ImageIndex.bytes(fixture.path)
            let expected = Result { try PictureDecoder(channels: channels).decode(bytes) }
            let found = Result { try decoder.decode(bytes) }
            switch (expected, found) {
            case (.success(let one), .success(let other)): #expect(one == other)
            case (.failure(let one), .failure(let other)): #expect("\(one)" == "\(other)")
            default: Issue.record("\(fixture.path): \(expected) and then \(found)")
            }
        }
    }

    @Test("grey is the weighted sum of red, green and blue")
    func grey() throws {
        for fixture in ImageIndex.pictures where fixture.decoded != nil && fixture.heavy != true {
            let bytes = try ImageIndex.bytes(fixture.path)
            let colour = try PictureDecoder().decode(bytes).pixels
            let grey = try PictureDecoder(channels: 1).decode(bytes).pixels
            let sums = stride(from: 0, to: colour.count, by: 3).map { i in
                let (r, g, b) = (Int(colour[i]), Int(colour[i + 1]), Int(colour[i + 2]))
                return UInt8((19595 * r + 38470 * g + 7471 * b + 32768) >> 16)
            }
            #expect(grey == sums, "\(fixture.path)")
        }
    }

    @Test("a part that is decoded alone equals that part of the whole", arguments: [1, 3])
    func parts(channels: Int) throws {
        let decoder = PictureDecoder(channels: channels)
        let boxes = min(2000, max(40, Mutations.cases(share: 0.0002)))
        for (number, fixture) in ImageIndex.pictures.enumerated()
        where fixture.decoded != nil && fixture.heavy != true {
            let bytes = try ImageIndex.bytes(fixture.path)
            let whole = try decoder.decode(bytes)
            var stream = RandomStream(seed: 19, number)
            for _ in 0..<(whole.width > 1000 ? 2 : boxes) {
                let width = 1 + stream.below(whole.width), height = 1 + stream.below(whole.height)
                let x = stream.below(whole.width - width + 1)
                let y = stream.below(whole.height - height + 1)
                let part = try decoder.view(encoded: bytes, isChecked: false) { _, _ in
                    PictureView(
                        x: x, y: y, width: width, height: height, resizedWidth: width,
                        resizedHeight: height)
                }
                let rows = (y..<y + height).flatMap { row in
                    let start = (row * whole.width + x) * channels
                    return whole.pixels[start..<start + width * channels]
                }
                #expect(
                    part.pixels == rows, "\(fixture.path): \(width)x\(height) from (\(x), \(y))")
            }
        }
    }

    @Test("a picture beyond a limit is refused before memory is taken")
    func limits() throws {
        var limits = PictureDecoder.Limits()
        limits.memoryBytes = 1 << 10
        let decoder = PictureDecoder(limits: limits)
        for name in ["jpeg/progressive-420.jpg", "png/interlaced-rgb-8.png"] {
            let error = #expect(throws: DatasetError.self) {
                try decoder.decode(try ImageIndex.bytes("pictures/\(name)"))
            }
            #expect(error?.code == .tooLarge && error?.reason.contains("passes") == true)
        }
        limits = PictureDecoder.Limits()
        limits.scans = 50
        let error = #expect(throws: DatasetError.self) {
            try PictureDecoder(limits: limits).decode(
                try ImageIndex.bytes("pictures/jpeg/progressive-99-scans.jpg"))
        }
        #expect(error?.reason.contains("too many scans") == true)
        #expect(
            try PictureDecoder().decode([UInt8](ImageIndex.bytes("pictures/png/rgb-8.png"))).width
                == 97)
    }

    @Test("a small file of thousands of scans is refused early")
    func scans() throws {
        let bytes = try ImageIndex.bytes("pictures/jpeg/progressive-99-scans.jpg")
        let marker: [UInt8] = [0xFF, 0xDA]
        let last = try #require(
            bytes.indices.dropLast(2).last { Array(bytes[$0..<$0 + 2]) == marker })
        let scan = bytes[last..<bytes.count - 2]
        let many = Array(bytes.dropLast(2)) + (0..<5000).flatMap { _ in scan } + [0xFF, 0xD9]
        let error = #expect(throws: DatasetError.self) { try PictureDecoder().decode(many) }
        #expect(error?.reason.contains("too many scans") == true)
    }

    @Test("a small progressive file that declares many pixels is refused from its header")
    func declared() throws {
        var bytes = try ImageIndex.bytes("pictures/jpeg/progressive-420.jpg")
        // The frame header: marker, length, precision, then 65 rows of 97 pixels.
        let frame: [UInt8] = [0xFF, 0xC2, 0, 17, 8, 0, 65, 0, 97]
        let place = try #require(
            bytes.indices.first { bytes[$0...].starts(with: frame) })
        bytes.replaceSubrange(place + 5..<place + 9, with: [0x33, 0xF4, 0x33, 0xF4])
        let error = #expect(throws: DatasetError.self) { try PictureDecoder().header(bytes) }
        #expect(error?.code == .tooLarge && error?.reason.contains("192 MiB") == true)
    }

    @Test("a refusal names its file once it is known")
    func names() {
        let error = #expect(throws: DatasetError.self) { try PictureDecoder().decode([]) }
        #expect(error?.about("cats/1.jpg").reason == "cats/1.jpg: empty file")
    }
}
