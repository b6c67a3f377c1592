// Lines on standard error as JSON objects, and the metrics of a worker.
import Foundation
import TestSupport
import Testing

@Suite struct LogFormatTests {
    /// The objects of the lines; every line must be one.
    private func objects(_ errors: String) throws -> [[String: Any]] {
        try errors.split(separator: "\n").map { line in
            try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)"
            )
        }
    }

    @Test("a worker's lines are JSON objects that name run, job, attempt, stage and kind")
    func worker() throws {
        // The folder of the images does not exist, so that the first stage fails.
        let place = try CommandPlace()
        #expect(try place.ofa("enqueue", "tiny.yaml").status == 0)
        let run = try place.ofa("worker", "--until-idle", "--log-format", "json")
        #expect(run.status == 0)
        let lines = try objects(run.errors)
        #expect(lines.count >= 3)
        for line in lines {
            let time = try #require(line["time"] as? String)
            #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(time)")
            #expect(line["message"] is String && line["host"] is String && line["worker"] is Int)
        }
        let begun = try #require(lines.first { $0["stage"] != nil })
        #expect(begun["level"] as? String == "info" && begun["run"] as? Int == 1)
        #expect(begun["job"] as? Int == 1 && begun["attempt"] as? Int == 1)
        #expect(begun["kind"] as? String == "import-dataset")
        let failed = try #require(lines.first { $0["level"] as? String == "error" })
        #expect(failed["stage"] as? String == "data" && failed["job"] as? Int == 1)
        #expect((failed["message"] as? String ?? "").contains("run 1 failed"))
    }

    @Test("OFA_LOG_FORMAT chooses the format too, and the option overrides it")
    func environment() throws {
        let place = try CommandPlace()
        let json = ["OFA_LOG_FORMAT": "json"]
        let failed = try place.ofa(["run", "absent.yaml"], environment: json)
        let line = try #require(try objects(failed.errors).last)
        #expect(failed.status != 0 && line["level"] as? String == "error")
        #expect(line["code"] is String && (line["message"] as? String ?? "").contains("absent"))
        let text = try place.ofa(["run", "absent.yaml", "--log-format", "text"], environment: json)
        #expect(text.errors.hasPrefix("Error: "), "\(text.errors)")
        // Other commands have no log.
        #expect(!(try place.ofa(["job", "show", "9"], environment: json).errors.hasPrefix("{")))
    }

    @Test("a format that does not exist is refused")
    func unknown() throws {
        let place = try CommandPlace()
        #expect(try place.ofa("worker", "--log-format", "xml").status == 64)
        let run = try place.ofa(["worker"], environment: ["OFA_LOG_FORMAT": "xml"])
        #expect(run.status == 1 && run.errors.contains("OFA_LOG_FORMAT is 'xml'"), "\(run.errors)")
    }

    @Test("terminal escapes and passwords in messages are neutralised in both formats")
    func neutral() throws {
        let place = try CommandPlace()
        let evil = "x\u{202E}y"
        for format in ["text", "json"] {
            let run = try place.ofa(
                ["run", "absent.yaml", "--log-format", format],
                environment: ["OFA_\(evil)": "1", "OFA_LOG_FORMAT": "text"])
            #expect(!run.errors.contains("\u{202E}"), "\(run.errors)")
            #expect(run.errors.contains("{202E}"), "\(run.errors)")
        }
    }

    @Test("a worker serves its metrics on the port that it names")
    func metrics() throws {
        let place = try CommandPlace()
        let worker = try RunningCommand(
            ["worker", "--metrics-port", "0"], environment: place.environment)
        let deadline = ContinuousClock.now + .seconds(60)
        while !worker.errors.contains("Ctrl-C drains"), worker.isRunning,
            ContinuousClock.now < deadline
        { Thread.sleep(forTimeInterval: 0.02) }
        let port = try #require(
            worker.errors.firstMatch(of: /metrics at http:\/\/127\.0\.0\.1:(\d+)\/metrics/)?.1,
            "\(worker.errors)")
        let page = try get("/metrics", port: String(port))
        #expect(page.contains("text/plain; version=0.0.4"))
        for name in ["slots 1", "slots_busy 0", "claims_total 0", "cpu_seconds_total "] {
            #expect(page.contains("\nofa_worker_process_\(name)"), "\(name) in \(page)")
        }
        worker.terminate()
        #expect(worker.wait() == 0)
    }

    @Test("metrics beyond this machine need a token, and nothing is started without one")
    func token() throws {
        let place = try CommandPlace()
        let run = try place.ofa(
            "worker", "--until-idle", "--metrics-port", "0", "--metrics-host", "0.0.0.0")
        #expect(run.status == 1 && run.errors.contains("--token-file"), "\(run.errors)")
        let alone = try place.ofa("worker", "--until-idle", "--metrics-host", "127.0.0.1")
        #expect(alone.status == 64)
    }

    /// The answer of a server on this machine to a GET, with its head.
    private func get(_ path: String, port: String) throws -> String {
        let shell = Process()
        let said = Pipe()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = [
            "-c",
            """
            exec 3<>/dev/tcp/127.0.0.1/\(port)
            printf 'GET \(path) HTTP/1.1\\r\\nHost: 127.0.0.1:\(port)\\r\\nConnection: close\\r\\n\\r\\n' >&3
            timeout 20 cat <&3
            """,
        ]
        shell.standardOutput = said
        try shell.run()
        let data = try said.fileHandleForReading.readToEnd() ?? Data()
        shell.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
