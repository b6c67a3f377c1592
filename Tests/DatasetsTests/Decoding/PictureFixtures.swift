// The pictures of ../shared/images with their expected outcomes, as its index.json states them.
import CCrypto
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// One picture file of the index.
struct PictureFixture: Decodable, CustomTestStringConvertible, Sendable {
    struct Expected: Decodable, Sendable {
        let width, height: Int
        let sha256: String
    }

    let path: String
    let outcome: String
    let reason: String?
    let width, height: Int?
    let sha256: String?
    let warns: Bool?
    let if_decoded: Expected?
    let heavy: Bool?

    var testDescription: String { path }

    /// What decoding gives; for files that an importer ignores because of their names, too.
    var decoded: Expected? {
        if outcome == "decoded", let width, let height, let sha256 {
            return Expected(width: width, height: height, sha256: sha256)
        }
        return outcome == "ignored" ? if_decoded : nil
    }
}

/// The preprocessing part of the index.
struct PreprocessingFixture: Decodable, Sendable {
    struct Evaluation: Decodable, Sendable {
        let r: Int
        let resized, crop_left_top: [Int]
        let tensor, sha256: String
    }
    struct Picture: Decodable, Sendable {
        let path: String
        let width, height: Int
        let sha256: String
        let evaluation: [Evaluation]
    }
    struct Crop: Decodable, Sendable {
        let path: String
        let box_x_y_w_h: [Int]
        let r: Int
        let tensor, sha256: String
    }
    struct Normalised: Decodable, Sendable {
        let path: String
        let r: Int
        let tensor: String
    }
    struct Operation: Decodable, Sendable {
        let name: String
        let factor: Float
        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            name = try values.decode(String.self)
            factor = Float(try values.decode(Double.self))
        }
    }
    struct Colour: Decodable, Sendable {
        struct Case: Decodable, Sendable {
            let operations: [Operation]
            let tensor: String
        }
        let input: String
        let cases: [Case]
    }
    struct Spread: Decodable, Sendable {
        let mean, standard_deviation: Double
    }
    struct Boxes: Decodable, Sendable {
        let width, height, draws: Int
        let share_of_fallback: Double
        let fallback_box_x_y_w_h: [Int]
        let area_share, log_aspect, centre_x_share, centre_y_share: Spread
    }
    struct RandomCrop: Decodable, Sendable { let sizes: [Boxes] }

    let pictures: [Picture]
    let crops: [Crop]
    let normalised: Normalised
    let colour: Colour
    let random_resized_crop: RandomCrop
}

/// The index, or nothing without the folder.
struct ImageIndex: Decodable, Sendable {
    let pictures: [PictureFixture]
    let preprocessing: PreprocessingFixture

    static let shared: ImageIndex? = {
        guard let folder = SharedFolders.images else { return nil }
        do {
            let bytes = try Data(contentsOf: folder.appending(path: "index.json"))
            return try JSONDecoder().decode(ImageIndex.self, from: bytes)
        } catch {
            fatalError("index.json: \(error)")
        }
    }()

    static let hint: Comment = "no images: they belong in ../shared/images"
    static var pictures: [PictureFixture] { shared?.pictures ?? [] }
    static func bytes(_ path: String) throws -> [UInt8] {
        guard let folder = SharedFolders.images else { return [] }
        return [UInt8](try Data(contentsOf: folder.appending(path: path)))
    }
}

/// SHA-256 in hexadecimal.
func sha256(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    return digest.map { String(format: "%02x", $0) }.joined()
}

/// The tensors of expected.safetensors: bytes by name.
enum ExpectedTensors {
    private struct Entry: Decodable {
        let shape, data_offsets: [Int]
    }

    private static let content: (entries: [String: Entry], values: [UInt8])? = {
        do {
            let bytes = try ImageIndex.bytes("preprocess/expected.safetensors")
            let count = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            let object = try JSONSerialization.jsonObject(with: Data(bytes[8..<8 + count]))
            guard var entries = object as? [String: Any] else { return nil }
            entries["__metadata__"] = nil
            let data = try JSONSerialization.data(withJSONObject: entries)
            return (
                try JSONDecoder().decode([String: Entry].self, from: data),
                Array(bytes[(8 + count)...])
            )
        } catch {
            fatalError("expected.safetensors: \(error)")
        }
    }()

    static func bytes(_ name: String) -> [UInt8] {
        guard let content, let entry = content.entries[name] else { return [] }
        return Array(content.values[entry.data_offsets[0]..<entry.data_offsets[1]])
    }

    static func shape(_ name: String) -> [Int] { content?.entries[name]?.shape ?? [] }

    static func floats(_ name: String) -> [Float] {
        bytes(name).withUnsafeBytes { all in
            stride(from: 0, to: all.count, by: 4).map {
                all.loadUnaligned(fromByteOffset: $0, as: Float.self)
            }
        }
    }
}
