// The benchmark of blobs: what it measures of a small file, and the fields of its answer.
import Foundation
import Testing

@testable import ofa_bench

@Suite struct BlobBenchTests {
    /// A file of 30,000 floats and three bytes more.
    private func file() throws -> URL {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        var state = UInt32(1)
        let values = (0..<30_000).map { _ -> Float in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(state >> 8) / Float(1 << 24) * 0.1 - 0.05
        }
        var data = values.withUnsafeBytes { Data($0) }
        data.append(contentsOf: [1, 2, 3])
        try data.write(to: file)
        return file
    }

    @Test(
        "the coding of a file is timed, and its answer has every field, null without peer and database"
    )
    func coding() throws {
        let file = try file()
        defer { unlink(file.path) }
        let result = try BlobCodingRounds(file.path, rounds: 1, peer: nil).run()
        #expect(result.bytes == 120_000)
        #expect(result.ours.share > 0.7 && result.ours.share < 0.95)
        let text = try Output.encoded(
            result.headline, BlobReport(coding: result, transfers: nil))
        let fields = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(
            fields.keys.sorted() == [
                "blob_bytes", "bytes", "decode_mb_s", "encode_mb_s", "get_mb_s", "get_ratio",
                "ours", "peak_rss_bytes", "peer", "peer_decode_mb_s", "peer_encode_mb_s",
                "peer_name", "peer_stored_share", "psql_get_mb_s", "psql_put_mb_s", "put_mb_s",
                "put_ratio", "ratio", "stored_share", "unit",
            ])
        #expect(fields["peer"] is NSNull && fields["unit"] as? String == "MB/s")
    }

    @Test("a missing or empty file is an error that names it")
    func missing() {
        let error = #expect(throws: BenchError.self) {
            try BlobCodingRounds("/nowhere/weights", rounds: 1, peer: nil)
        }
        #expect(error?.message.contains("/nowhere/weights") == true)
    }
}
