// Round trips, the parity fixtures, and every way a file can lie.
import Foundation
import Interchange
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    let small: [String: SafetensorsFile.Tensor<Float>] = [
        "b.weight": .init(
            shape: [2, 3], values: [1, -2.5, 3, .infinity, Float(bitPattern: 3), -0.0]),
        "a": .init(shape: [], values: [7]),
        "empty": .init(shape: [0, 4], values: []),
    ]

    /// Two tensors on the same bytes.
    static let overlap =
        #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#

    /// A file made of a header text and the numbers' bytes.
    private func bytes(header: String, data: [UInt8] = []) -> [UInt8] {
        let text = [UInt8](header.utf8)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
    }

    private func code(_ bytes: [UInt8]) -> InterchangeError.Code? {
        #expect(throws: InterchangeError.self) { try Safetensors.decode(bytes: bytes) }?.code
    }

    @Test("what is written is read back bit for bit")
    func roundTrip() throws {
        let bytes = try Safetensors.encode(
            small, metadata: ["space": "fashion-mbv3", "step": "12"])
        let file = try Safetensors.decode(bytes: bytes)
        #expect(file.tensors.keys.sorted() == ["a", "b.weight", "empty"])
        #expect(file.metadata == ["space": "fashion-mbv3", "step": "12"])
        for (name, tensor) in small {
            let read = try file.tensor(name)
            #expect(read.shape == tensor.shape)
            #expect(read.values.map(\.bitPattern) == tensor.values.map(\.bitPattern))
        }
    }

    @Test("the same tensors give the same bytes, and the numbers start at a multiple of 8")
    func deterministic() throws {
        let reversed = Dictionary(uniqueKeysWithValues: small.sorted { $0.key > $1.key })
        let bytes = try Safetensors.encode(small, metadata: ["k": "v"])
        #expect(try Safetensors.encode(reversed, metadata: ["k": "v"]) == bytes)
        #expect(bytes[0] % 8 == 0)
        let text =
            #"{"__metadata__":{"k":"v"},"a":{"data_offsets":[0,4],"dtype":"F32","shape":[]},"#
        #expect(String(decoding: bytes[8..<8 + text.utf8.count], as: UTF8.self) == text)
    }

    @Test("values that do not fill the shape are not written")
    func shapeMismatch() {
        let error = #expect(throws: InterchangeError.self) {
            try Safetensors.encode(["x": .init(shape: [2, 2], values: [1, 2, 3])])
        }
        #expect(error?.code == .shapeMismatch)
        #expect(error?.message.contains("tensor x has 3 values") == true)
    }

    @Test("integers are read")
    func integers() throws {
        let header = #"{"y":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}"#
        let data: [UInt8] = [5, 1, 0, 0, 0, 0, 0, 0] + Array(repeating: 255, count: 8)
        let file = try Safetensors.decode(bytes: bytes(header: header, data: data))
        #expect(try file.integerTensor("y") == .init(shape: [2], values: [261, -1]))
    }

    @Test("a file cut anywhere is an error and never a crash")
    func truncation() throws {
        let whole = try Safetensors.encode(small, metadata: ["k": "v"])
        for count in 0..<whole.count {
            #expect(throws: InterchangeError.self) {
                try Safetensors.decode(bytes: Array(whole[..<count]))
            }
        }
        #expect(code(Array(whole.dropLast())) == .truncated)
        #expect(code(whole + [0]) == .malformed)
    }

    @Test(
        "a header that lies is named",
        arguments: [
            (
                #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
                InterchangeError.Code.malformed
            ),
            (#"{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, .malformed),
            (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, .malformed),
            (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, .malformed),
            (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, .malformed),
            (
                #"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#,
                .malformed
            ),
            (
                #"{"x":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#,
                .malformed
            ),
            (#"{"x":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}"#, .unsupported),
            (
                #"{"x":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}"#, .malformed
            ),
            (Self.overlap, .malformed),
            (#"{"x":{"dtype":"F32","shape":[1]}}"#, .malformed),
            (#"[1, 2]"#, .malformed),
        ])
    func lies(header: String, expected: InterchangeError.Code) {
        #expect(code(bytes(header: header, data: [0, 0, 128, 63])) == expected)
    }

    @Test("a header length beyond the file or beyond reason is refused")
    func headerLength() {
        #expect(code(Array(repeating: 255, count: 64)) == .malformed)
        #expect(code([200, 0, 0, 0, 0, 0, 0, 0, 1, 2]) == .truncated)
    }

    @Test("a missing tensor is named")
    func missing() {
        let error = #expect(throws: InterchangeError.self) {
            try SafetensorsFile(tensors: small).tensor("c")
        }
        #expect(error?.code == .missingTensor)
    }

    @Test(
        "the parity fixtures are read, and written again with the same numbers",
        .enabled(if: !SharedFolders.fixtures.isEmpty, "\(SharedFolders.fixturesHint)"))
    func fixtures() throws {
        for folder in SharedFolders.fixtures {
            for name in ["weights.safetensors", "tensors.safetensors"] {
                let data = try Data(contentsOf: folder.appending(path: name))
                let file = try Safetensors.decode(bytes: [UInt8](data))
                #expect(file.tensors.count > 300)
                let again = try Safetensors.decode(bytes: try Safetensors.encode(file))
                #expect(again.tensors == file.tensors)
                #expect(again.metadata == file.metadata)
            }
            let data = try Data(contentsOf: folder.appending(path: "tensors.safetensors"))
            #expect(
                try Safetensors.decode(bytes: [UInt8](data)).integerTensor("grad.0.labels").shape
                    .count == 1)
        }
    }

    @Test("floats of 16 bits are read exactly, in both forms")
    func halves() throws {
        func read(_ type: String, _ words: [UInt16]) throws -> [Float] {
            let header =
                #"{"x":{"dtype":"\#(type)","shape":[\#(words.count)],"data_offsets":[0,\#(2 * words.count)]}}"#
            let data = words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
            return try Safetensors.decode(bytes: bytes(header: header, data: data)).tensor("x")
                .values
        }
        #expect(try read("F16", [0x3C00, 0xC100, 1, 0x7BFF]) == [1, -2.5, 0x1p-24, 65504])
        #expect(try read("BF16", [0x3F80, 0xC020, 0x4049]) == [1, -2.5, 3.140625])
        // Half a number.
        let odd = #"{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,3]}}"#
        #expect(code(bytes(header: odd, data: [0, 0, 0])) == .malformed)
    }

    @Test("floats of 64 bits are rounded; types that are not read are named beside the others")
    func otherTypes() throws {
        let wide = #""x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#
        let third = withUnsafeBytes(of: (1.0 / 3).bitPattern.littleEndian) { Array($0) }
        let file = try Safetensors.decode(bytes: bytes(header: "{\(wide)}", data: third))
        #expect(file.tensors["x"]?.values == [Float(1.0 / 3)])
        for (type, size) in [("U8", 1), ("BOOL", 1), ("I32", 4), ("F8_E4M3", 1), ("C64", 8)] {
            let header =
                #"{\#(wide),"y":{"dtype":"\#(type)","shape":[1],"data_offsets":[8,\#(8 + size)]}}"#
            let data = third + [UInt8](repeating: 1, count: size)
            let file = try Safetensors.decode(bytes: bytes(header: header, data: data))
            #expect(file.tensors.count == 1 && file.integers.isEmpty)
            #expect(file.unread == ["y": "holds \(type), which is not read here"])
            // Its bytes must lie in the file, without a gap.
            #expect(code(bytes(header: header, data: Array(data.dropLast()))) == .truncated)
            #expect(code(bytes(header: header, data: data + [0])) == .malformed)
        }
        let odd = #"{"y":{"dtype":"U8","shape":[3],"data_offsets":[0,8]}}"#
        #expect(code(bytes(header: odd, data: third)) == .malformed)
    }

    @Test("names and shapes of any length give a message of a line")
    func long() {
        let name = String(repeating: "n", count: 100_000)
        let shape = [String](repeating: "1", count: 100_000).joined(separator: ",")
        for (header, data) in [
            (#"{"\#(name)":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4),
            (#"{"\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 0),
            (#"{"\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8),
            (#"{"x":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[0,4]}}"#, 4),
            (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[\#(shape)]}}"#, 4),
        ] {
            let error = #expect(throws: InterchangeError.self) {
                try Safetensors.decode(
                    bytes: bytes(header: header, data: [UInt8](repeating: 0, count: data)))
            }
            #expect((error?.message.utf8.count ?? 1000) < 400)
        }
    }

    @Test("a name twice is refused, whatever its letters are written as")
    func twice() {
        let entry = #"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#
        #expect(
            code(bytes(header: "{\"x\":\(entry),\"x\":\(entry)}", data: [0, 0, 0, 0])) == .malformed
        )
        #expect(
            code(bytes(header: "{\"x\":\(entry),\"\\u0078\":\(entry)}", data: [0, 0, 0, 0]))
                == .malformed)
        #expect(throws: Never.self) {
            try Safetensors.decode(
                bytes: bytes(header: "{\"a:\\\":b\":\(entry)}", data: [0, 0, 0, 0]))
        }
    }
}
