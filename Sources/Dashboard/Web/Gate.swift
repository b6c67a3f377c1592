// Gate: which requests are let in, and the header fields that tell browsers what a page may do.

import Artifacts
import Foundation

/// Decides on requests before a page sees them. All secrets are of one process: a restart ends every session.
struct Gate: Sendable {
    private let settings: ServeSettings
    /// The digest of the token; nil without one.
    private let token: Digest?
    private let session: String
    private let form: String

    /// The name of the session's cookie.
    static let cookie = "ofa_session"
    /// The name of the field that every form has.
    static let field = "form_token"

    init(_ settings: ServeSettings) {
        self.settings = settings
        token = settings.token.map { Digest.of(Array($0.utf8)) }
        var random = SystemRandomNumberGenerator()
        let secret = (0..<4).map { _ in String(random.next(), radix: 16) }.joined()
        session = Digest.of(Array("session \(secret)".utf8)).hex
        form = Digest.of(Array("form \(secret)".utf8)).hex
    }

    /// Whether forms are shown and accepted.
    var mayAct: Bool { !settings.isReadOnly }

    /// The hidden field of forms. A foreign page cannot read it, so it cannot post a form in a reader's name.
    var formField: HTML {
        mayAct ? "<input type=\"hidden\" name=\"\(Self.field)\" value=\"\(form)\">" : .empty
    }

    /// What a request is refused with; nil lets it in.
    func refusal(_ request: WebRequest) -> WebResponse? {
        guard ["GET", "HEAD", "POST"].contains(request.method) else {
            var response = WebResponse.text("only GET, HEAD and POST are answered\n", status: 405)
            response.headers["Allow"] = "GET, HEAD, POST"
            return response
        }
        // Another name than that of this machine is a page of elsewhere whose name was pointed here.
        guard token != nil || hasOwnName(request) else {
            return .text("this server answers to localhost and its IP address only\n", status: 421)
        }
        let isOpen = ["healthz", "readyz", "login", "assets", "favicon.ico"].contains(
            request.path.first ?? "")
        guard isOpen || isKnown(request) else {
            let wantsPage = (request.headers["accept"] ?? "").contains("text/html")
            if wantsPage, request.method != "POST" { return .redirect(to: "/login") }
            var response = WebResponse.text(
                "a token is needed: Authorization: Bearer TOKEN\n", status: 401)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        }
        return nil
    }

    /// Whether a posted form comes from a page of this server. Errors: `forbidden`.
    func checkForm(_ request: WebRequest) throws {
        guard mayAct else {
            throw DashboardError(
                .forbidden, "this server is read-only", remedy: "start it without --read-only")
        }
        let site = request.headers["sec-fetch-site"]
        let isSame = site == nil || site == "same-origin" || site == "none"
        guard isSame, Self.equal(request.form[Self.field] ?? "", form) else {
            throw DashboardError(
                .forbidden, "the form is not of this server, or the server was started anew since",
                remedy: "load the page again")
        }
    }

    /// Returns the cookie of a session if the token is right. Errors: `forbidden`.
    func signIn(_ request: WebRequest) throws -> String {
        let given = Digest.of(Array((request.form["token"] ?? "").utf8))
        guard let token, Self.equal(given.hex, token.hex) else {
            throw DashboardError(.forbidden, "this is not the token of this server")
        }
        return "\(Self.cookie)=\(session); Path=/; HttpOnly; SameSite=Strict"
    }

    private func isKnown(_ request: WebRequest) -> Bool {
        guard let token else { return true }
        if let cookie = request.cookie(Self.cookie), Self.equal(cookie, session) { return true }
        let parts = (request.headers["authorization"] ?? "").split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
        // Digests are compared, so that the time says nothing about the token, nor about its length.
        return Self.equal(Digest.of(Array(parts[1].utf8)).hex, token.hex)
    }

    private func hasOwnName(_ request: WebRequest) -> Bool {
        guard let host = request.headers["host"] else { return true }
        let name =
            host.hasPrefix("[")
            ? String(host.dropFirst().prefix { $0 != "]" })
            : String(host.prefix { $0 != ":" })
        return name == settings.host || ServeSettings.isLoopback(name)
    }

    /// Compares two texts in a time that depends on their lengths only.
    static func equal(_ one: String, _ other: String) -> Bool {
        let (left, right) = (Array(one.utf8), Array(other.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// The header fields of every answer: nothing from elsewhere, no script or style in the markup, no frames.
    static let headers = [
        "Content-Security-Policy":
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
            + " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    ]
}
