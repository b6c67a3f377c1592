// The page of a report in a real browser, on a telephone and on a desk. Skipped where there is no chromium.
import Foundation
import TestSupport
import Testing

/// What a browser found out about a page.
private struct Layout: Decodable {
    /// The width the page wants, in pixels.
    let page: Double
    /// Tables and figures that are cut or scroll.
    let cut: Int
    /// The smallest text of a plot that is shown, in pixels; 0 where none is.
    let text: Double
    /// Plots that are shown.
    let plots: Int

    /// Measures a page in a window of this width.
    init(_ html: String, width: Int, in folder: URL) throws {
        // The page itself allows no script: it is measured from around it, its policy left out. A window cannot be
        // as narrow as a telephone, a frame can.
        let open = html.replacing("default-src 'none'; style-src 'unsafe-inline'", with: "")
        let quoted = open.replacing("&", with: "&amp;").replacing("\"", with: "&quot;")
        let script = """
            const frame = document.getElementById('f');
            frame.onload = () => {
              const page = frame.contentDocument, root = page.documentElement;
              const plots = [...page.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0);
              const sizes = plots.flatMap(s => [...s.querySelectorAll('text')].map(t => parseFloat(
                page.defaultView.getComputedStyle(t).fontSize) * s.getBoundingClientRect().width
                / s.viewBox.baseVal.width));
              const boxes = [...page.querySelectorAll('.scroll, figure, section, td, h1, h2')];
              document.getElementById('out').textContent = JSON.stringify({
                page: root.scrollWidth, plots: plots.length, text: sizes.length ? Math.min(...sizes) : 0,
                cut: boxes.filter(b => b.scrollWidth > b.clientWidth + 1 && b.clientWidth > 0).length});
            };
            """
        let file = folder.appending(path: "frame-\(width).html")
        try """
        <!doctype html><body><pre id="out"></pre>
        <iframe id="f" style="width:\(width)px;height:3000px;border:0"></iframe>
        <script>\(script) document.getElementById('f').srcdoc = document.getElementById('t').value</script>
        """.replacing("<script>", with: "<textarea id=\"t\" hidden>\(quoted)</textarea><script>")
            .write(to: file, atomically: true, encoding: .utf8)
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
            "--user-data-dir=\(folder.appending(path: "browser-\(width)").path)",
            "--window-size=1400,1000", "--dump-dom", file.absoluteString,
        ]
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let dom = String(
            decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        let found = try #require(
            dom.firstMatch(of: /<pre id="out">(\{.*?\})<\/pre>/), "\(dom.prefix(500))")
        self = try JSONDecoder().decode(Layout.self, from: Data(String(found.1).utf8))
    }
}

extension StoredTextTests {
    private static let hasBrowser = (ProcessInfo.processInfo.environment["PATH"] ?? "")
        .split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/chromium")
        }

    @Test(
        "the report fits a telephone and a desk: nothing is cut, nothing scrolls sideways, plots can be read",
        arguments: [390, 760, 1280])
    func layout(width: Int) throws {
        guard Self.hasBrowser else {
            print("skipped: there is no chromium to look at the page with")
            return
        }
        let place = try Self.hostile.get().place
        let html = try place.ofa("report", "--html", "-").output
        let layout = try Layout(html, width: width, in: place.folder)
        #expect(layout.page <= Double(width))
        #expect(layout.cut == 0 && layout.plots == 1)
        #expect(layout.text >= 10)
    }
}
