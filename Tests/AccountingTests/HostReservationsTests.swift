// Tests of HostReservations: processes of one machine see what the others hold.
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
        let one = try #require(HostReservations(folder: folder, atNs: 0))
        let two = try #require(HostReservations(folder: folder, atNs: 0))
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
        let one = try #require(HostReservations(folder: folder, atNs: 0))
        var two = HostReservations(folder: folder, atNs: 0)
        two?.add(processors: 2, atNs: 0)
        #expect(one.othersNs(atNs: 100) == 200)
        two = nil
        #expect(one.othersNs(atNs: 300) == 200)
        // A file without a lock is that of a process that was killed.
        try Data("9 9 0".utf8).write(to: URL(filePath: folder + "/1-killed"))
        #expect(one.othersNs(atNs: 400) == 200)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
    }

    @Test("where no file can be kept, there are none")
    func nowhere() {
        #expect(HostReservations(folder: "/proc/none/here", atNs: 0) == nil)
    }

    private func remove() {
        do { try FileManager.default.removeItem(atPath: folder) } catch { Issue.record(error) }
    }
}
