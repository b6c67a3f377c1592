// Fault 4: the server stopped as by a crash and started again, over and over, and its sessions ended and its
// processes killed in between, under runs of five stages.
import Foundation
import Jobs
import Postgres
import TestSupport
import Testing

extension FaultTests {
    @Test("4: crashes and restarts of the server, and killed sessions, cost time and nothing else")
    func restartLoop() throws {
        var random = SeededRandom("4")
        let place = try FaultPlace()
        try place.queue.setPermits(key: "gpu", slots: 2)
        let herd = try WorkerHerd(place, count: 3, ["--prefetch", "8", "--journal", place.journal])
        var step = 0
        let (runs, disturbances) = try place.workThrough(seconds: FaultLength.seconds(short: 6)) {
            Thread.sleep(forTimeInterval: .random(in: 0.05...0.3, using: &random))
            step += 1
            // Every fourth a crash, so that in between something gets done.
            switch step % 4 {
            case 0:
                try place.server.stopImmediately()
                Thread.sleep(forTimeInterval: .random(in: 0...0.2, using: &random))
                try place.server.start()
            case 2 where step % 8 == 2: try place.killBackend(using: &random)
            default: try place.endBackend(using: &random)
            }
        }
        try place.waitForRuns(seconds: 120)
        let errors = herd.drain()
        #expect(herd.total == 3, "a worker died of the server: \(errors)")
        try place.expectFiveStages(runs)
        try place.expectSound()
        try place.report("4 restart loop", disturbances: disturbances, of: "crashes, ends")
    }
}

extension FaultPlace {
    /// The processes of the workers' sessions.
    private func backends() throws -> [pid_t] {
        try ask(
            """
            select coalesce(array_agg(pid::bigint), '{}') as pids from pg_stat_activity
            where application_name like 'ofa %'
            """
        ).intArray("pids").map { pid_t($0) }
    }

    /// Ends a worker's session in order, if there is one.
    func endBackend(using random: inout SeededRandom) throws {
        guard let process = try backends().randomElement(using: &random) else { return }
        _ = try ask("select pg_terminate_backend($1::int) as done", [.int(Int(process))])
    }

    /// Kills a process of the server, which then restarts all by itself.
    func killBackend(using random: inout SeededRandom) throws {
        guard let process = try backends().randomElement(using: &random) else { return }
        kill(process, SIGKILL)
    }
}
