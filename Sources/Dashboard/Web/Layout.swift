// Layout: the frame around every page.

import Intake

/// The frame around a page: head, navigation, heading, footer.
enum Layout {
    /// The places of the navigation.
    private static let places = [
        ("Runs", "/runs"), ("Devices", "/devices"), ("Artifacts", "/artifacts"), ("Cost", "/cost"),
        ("Workers", "/workers"), ("Queue", "/queue"),
    ]

    /// Returns the whole document. `watched` is the address whose changes the page follows, if it is live; `notice` is what
    /// an action just did.
    static func document(
        _ page: RenderedPage, path: String, watched: String?, isReadOnly: Bool,
        notice: String? = nil
    ) -> String {
        let content = page.page
        let trail = content.trail.map {
            "<a href=\"\($0.path)\">\($0.name)</a> <span aria-hidden=\"true\">›</span> " as HTML
        }
        let live: HTML =
            watched.map { " data-watch=\"\($0)\" data-version=\"\(page.version)\"" } ?? ""
        let document: HTML = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(content.title) · ofa</title>
            <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
            <link rel="stylesheet" href="/assets/\(Assets.version)/ofa.css">
            <script src="/assets/\(Assets.version)/ofa.js" defer></script>
            </head>
            <body>
            <a class="skip" href="#main">Skip to the content</a>
            <header class="top"><nav aria-label="Main"><a class="brand" href="/">ofa</a>\(links(path))</nav>
            <p id="live" class="live" role="status"></p></header>
            <main id="main" tabindex="-1">
            <div class="heading"><p class="trail">\(trail)</p><h1>\(content.title)</h1></div>
            \(notice.map { "<p class=\"notice\" role=\"status\">\($0)</p>" as HTML } ?? .empty)
            <div id="page"\(live)>\(HTML.trusted(page.main))</div>
            </main>
            <footer>\(isReadOnly ? "read-only · " as HTML : .empty)times are in UTC</footer>
            </body>
            </html>

            """
        return document.text
    }

    private static func links(_ path: String) -> [HTML] {
        places.map { name, place in
            let isHere = path == place || path.hasPrefix(place + "/")
            return
                "<a href=\"\(place)\"\(isHere ? " aria-current=\"page\"" as HTML : .empty)>\(name)</a>"
        }
    }

    /// Returns the page of an error.
    static func problem(_ error: any Error, status: Int) -> Page {
        let titles = [
            403: "Not allowed", 404: "Not found", 422: "The form was not accepted",
            503: "The database does not answer",
        ]
        let (reason, remedy) =
            (error as? any Remedied).map { ($0.reason, $0.remedy) } ?? ("\(error)", nil)
        return Page(
            titles[status] ?? "Something failed", status: status,
            body: """
                <section class="problem" id="problem"><p>\(Shown.withoutPasswords(reason))</p>\
                \(remedy.map { "<p class=\"note\">\($0)</p>" as HTML } ?? .empty)</section>
                """)
    }

    /// The page that asks for the token.
    static let signIn = Page(
        "Sign in",
        body: """
            <section id="sign-in"><form method="post" action="/login" class="fields">
            <label for="token">Token of this server</label>
            <input id="token" name="token" type="password" autocomplete="current-password" required>
            <button>Sign in</button></form></section>
            """)
}
