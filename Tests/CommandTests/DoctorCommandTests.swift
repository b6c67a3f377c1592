// `ofa doctor` as its users type it.
import Foundation
import TestSupport
import Testing

@Suite struct DoctorCommandTests {
    @Test("doctor --json names every check with its state, and nothing fails here")
    func json() throws {
        let place = try CommandPlace()
        let answer = try place.document("doctor")
        let checks = try #require(answer["checks"] as? [[String: Any]])
        #expect(
            checks.map { $0["name"] as? String } == [
                "postgresql", "database", "store", "machine", "engine", "kernels", "data sets",
                "disk",
                "clock", "energy",
            ])
        for check in checks {
            #expect(["ok", "warn"].contains(check["state"] as? String), "\(check)")
            #expect((check["detail"] as? String)?.isEmpty == false)
            if check["state"] as? String == "warn" { #expect(check["remedy"] is String) }
        }
        #expect(["ok", "warn"].contains(answer["state"] as? String))
    }

    @Test(
        "a database that cannot be reached fails, with exit code 1, and the other checks are still made"
    )
    func unreachable() throws {
        let run = try CommandRun([
            "doctor", "--database", "postgresql:///none?host=/nowhere", "--json",
        ])
        #expect(run.status == 1)
        let answer = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let checks = try #require(answer["checks"] as? [[String: Any]])
        #expect(checks.count == 10)
        #expect(checks.first { $0["name"] as? String == "database" }?["state"] as? String == "fail")
        #expect(checks.first { $0["name"] as? String == "kernels" }?["state"] as? String == "ok")
    }

    @Test("an instruction set that this machine lacks is a failed check, not a crash")
    func instructionSet() throws {
        let place = try CommandPlace()
        let run = try place.ofa("doctor", environment: ["OFA_ISA": "abacus"])
        #expect(run.status == 1)
        #expect(run.output.contains("'abacus' cannot run on this machine"))
        #expect(run.errors == "Error: kernels failed\n")
    }
}
