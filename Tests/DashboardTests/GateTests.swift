// The gate: who is let in, and whose forms are accepted.

import Testing

@testable import Dashboard

@Suite struct GateTests {
    private func gate(
        host: String = "127.0.0.1", token: String? = nil, isReadOnly: Bool = false
    ) throws -> Gate {
        Gate(try ServeSettings(host: host, port: 0, token: token, isReadOnly: isReadOnly))
    }

    private let token = "0123456789abcdef"

    @Test("an address beyond loopback needs a token of 16 characters")
    func settings() throws {
        for host in ["0.0.0.0", "::", "192.168.1.5", "127.evil.example"] {
            let error = #expect(throws: DashboardError.self) {
                try ServeSettings(host: host, port: 80, token: nil, isReadOnly: false)
            }
            #expect(error?.code == .setting && error?.remedy?.contains("--token-file") == true)
            _ = try ServeSettings(host: host, port: 80, token: token, isReadOnly: false)
        }
        for token in ["", "short", "0123456789 abcdef", "0123456789abcdefü"] {
            #expect(throws: DashboardError.self) {
                try ServeSettings(host: "::", port: 80, token: token, isReadOnly: false)
            }
        }
        for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
            _ = try ServeSettings(host: host, port: 80, token: nil, isReadOnly: false)
        }
    }

    @Test(
        "without a token only the names of this machine are answered, so no foreign name leads here"
    )
    func names() throws {
        let gate = try gate()
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080"] {
            let request = WebRequest(
                path: ["runs"], target: "/runs", headers: ["host": host.lowercased()])
            #expect(gate.refusal(request) == nil, "\(host)")
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080"] {
            let request = WebRequest(path: ["runs"], target: "/runs", headers: ["host": host])
            #expect(gate.refusal(request)?.status == 421, "\(host)")
        }
    }

    @Test("with a token: a program sends it, a browser signs in once; everything else is refused")
    func tokens() throws {
        let gate = try gate(host: "0.0.0.0", token: token)
        func status(_ headers: [String: String], _ path: String = "runs") -> Int? {
            gate.refusal(WebRequest(path: [path], target: "/" + path, headers: headers))?.status
        }
        #expect(status([:]) == 401 && status([:], "metrics") == 401)
        #expect(status(["accept": "text/html"]) == 303)
        #expect(status(["authorization": "Bearer \(token)"]) == nil)
        for wrong in ["Bearer x\(token)", "Bearer", "Basic \(token)", "Bearer 0123456789abcdeg"] {
            #expect(status(["authorization": wrong]) == 401, "\(wrong)")
        }
        #expect(status([:], "healthz") == nil && status([:], "login") == nil)

        let form = WebRequest(
            method: "POST", path: ["login"], target: "/login", form: ["token": token])
        let cookie = try gate.signIn(form)
        #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
        #expect(!cookie.contains(token))
        let value = String(cookie.prefix { $0 != ";" })
        #expect(status(["cookie": "a=b; \(value)"]) == nil)
        #expect(status(["cookie": "ofa_session=0"]) == 401)
        var wrong = form
        wrong.form = ["token": "0123456789abcdeg"]
        #expect(throws: DashboardError.self) { try gate.signIn(wrong) }
        // Another process has other secrets.
        let other = try self.gate(host: "0.0.0.0", token: token)
        let known = WebRequest(path: ["runs"], target: "/runs", headers: ["cookie": value])
        #expect(other.refusal(known)?.status == 401)
    }

    @Test("a form needs the token of this server's pages, and comes from no other site")
    func forms() throws {
        let gate = try gate()
        let field = gate.formField.text
        let value = try #require(field.firstMatch(of: /value="([0-9a-f]{64})"/)?.1)
        func post(_ form: [String: String], _ headers: [String: String] = [:]) throws {
            try gate.checkForm(
                WebRequest(
                    method: "POST", path: ["x"], target: "/x", headers: headers, form: form))
        }
        try post([Gate.field: String(value)])
        try post([Gate.field: String(value)], ["sec-fetch-site": "same-origin"])
        #expect(throws: DashboardError.self) { try post([:]) }
        #expect(throws: DashboardError.self) { try post([Gate.field: "0"]) }
        #expect(throws: DashboardError.self) {
            try post([Gate.field: String(value)], ["sec-fetch-site": "cross-site"])
        }
        let reader = try self.gate(isReadOnly: true)
        #expect(reader.formField == .empty)
        #expect(throws: DashboardError.self) {
            try reader.checkForm(
                WebRequest(method: "POST", path: ["x"], target: "/x", form: [Gate.field: ""]))
        }
    }

    @Test("other methods are refused", arguments: ["PUT", "DELETE", "TRACE", "OPTIONS", "X"])
    func methods(method: String) throws {
        let request = WebRequest(method: method, path: ["runs"], target: "/runs")
        #expect(try gate().refusal(request)?.status == 405)
    }
}
