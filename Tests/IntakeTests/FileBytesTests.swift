// Files that people name.
import Foundation
import Intake
import Testing

@Suite struct FileBytesTests {
    private func reason(_ path: String, atMost limit: Int = 100) -> String? {
        #expect(throws: InputFault.self) { try FileBytes.read(path, atMost: limit) }?.reason
    }

    @Test(
        "a regular file of at most the limit is read; what is none is refused in the system's words"
    )
    func kinds() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "f-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: folder) } }
        let file = folder.appending(path: "a").path, pipe = folder.appending(path: "p").path
        try Data([1, 2, 3]).write(to: URL(filePath: file))
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(try FileBytes.read(file, atMost: 3) == [1, 2, 3])
        #expect(reason(file, atMost: 2) == "has 3 bytes; at most 2 are read")
        #expect(reason(folder.path) == "is a folder")
        #expect(reason(pipe) == "is no regular file")
        #expect(reason("/dev/zero") == "is no regular file")
        #expect(reason(file + "x") == "cannot be read: No such file or directory")
    }

    @Test("what Foundation wraps is told as the system says it")
    func wrapped() throws {
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let error = #expect(throws: (any Error).self) { try full.write(contentsOf: Data([1])) }
        #expect(FileBytes.reason(try #require(error)) == "No space left on device")
        #expect(FileBytes.reason(CocoaError(.fileReadNoPermission)) == "Permission denied")
    }
}
