// Tests of HostReservations: processes of one machine see what those of other databases hold.
import Foundation
import Testing

@testable import Accounting

@Suite struct HostReservationsTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "reserved-\(UUID().uuidString)"
    ).path

    @Test("each sees what the others held, to the nanosecond, and what they hold now")
    func sight() throws {
        defer { remove() }
        let one = try #require(HostReservations(folder: folder, database: "1", atNs: 0))
        let two = try #require(HostReservations(folder: folder, database: "2", atNs: 0))
        #expect(one.othersNs(atNs: 5) == 0)
        two.add(processors: 3, atNs: 10)
        #expect(one.othersNs(atNs: 30) == 60)
        two.add(processors: -1, atNs: 40)
        two.add(processors: -2, atNs: 50)
        #expect(one.othersNs(atNs: 1000) == 3 * 30 + 2 * 10)
        #expect(two.othersNs(atNs: 1000) == 0)
    }

    @Test("what a process held until it ended stays, and its file goes")
    func ended() throws {
        defer { remove() }
        let one = try #require(HostReservations(folder: folder, database: "3", atNs: 0))
        var two = HostReservations(folder: folder, database: "4", atNs: 0)
        two?.add(processors: 2, atNs: 0)
        #expect(one.othersNs(atNs: 100) == 200)
        two = nil
        #expect(one.othersNs(atNs: 300) == 200)
        // A file without a lock is that of a process that was killed.
        try Data("9 9 0".utf8).write(to: URL(filePath: folder + "/1-killed"))
        #expect(one.othersNs(atNs: 400) == 200)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
    }

    @Test(
        "a file that lies stops no process",
        arguments: [
            "9223372036854775807 9223372036854775807 -9223372036854775808", "-1 -1 -1", "1 2", "",
            "1 70000 0", "1 2 9223372036854775807",
        ])
    func lies(text: String) throws {
        defer { remove() }
        let one = try #require(HostReservations(folder: folder, database: "5", atNs: 0))
        var locks: [Int32] = []
        defer { for lock in locks { close(lock) } }
        for index in 0..<20 {
            let lock = open("\(folder)/\(index)-liar", O_RDWR | O_CREAT, 0o644)
            try #require(lock >= 0 && flock(lock, LOCK_EX) == 0)
            locks.append(lock)
            try #require(write(lock, text, text.utf8.count) == text.utf8.count)
        }
        #expect(one.othersNs(atNs: 1000) == 0)
    }

    @Test("the largest that can be true adds up to the largest number, not to a crash")
    func largest() throws {
        defer { remove() }
        let one = try #require(HostReservations(folder: folder, database: "6", atNs: 0))
        var locks: [Int32] = []
        defer { for lock in locks { close(lock) } }
        let text = "1152921504606846976 65536 0"
        for index in 0..<20 {
            let lock = open("\(folder)/\(index)-large", O_RDWR | O_CREAT, 0o644)
            try #require(lock >= 0 && flock(lock, LOCK_EX) == 0)
            locks.append(lock)
            try #require(write(lock, text, text.utf8.count) == text.utf8.count)
        }
        #expect(one.othersNs(atNs: Int64.max) == Int64.max)
    }

    @Test("where no file can be kept, there are none")
    func nowhere() {
        #expect(HostReservations(folder: "/proc/none/here", database: "1", atNs: 0) == nil)
    }

    private func remove() {
        do { try FileManager.default.removeItem(atPath: folder) } catch { Issue.record(error) }
    }
}
