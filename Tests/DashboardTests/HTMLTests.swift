// Markup: every interpolated value is escaped.

import Testing

@testable import Dashboard

@Suite struct HTMLTests {
    @Test("text is escaped, and its control characters are shown")
    func escaping() {
        let text = "<script>alert('1')</script> & \"x\" \u{1B}[31m\n\u{202E}"
        let html: HTML = "<td title=\"\(text)\">\(text)</td>"
        let shown =
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot; \\u{1B}[31m\\n\\u{202E}"
        #expect(html.text == "<td title=\"\(shown)\">\(shown)</td>")
    }

    @Test("markup inside markup stays markup; lines keep their ends")
    func nesting() {
        let part: HTML = "<b>\("a<b")</b>"
        #expect(
            ("<p>\(part)\([part])\(3)</p>" as HTML).text == "<p><b>a&lt;b</b><b>a&lt;b</b>3</p>")
        #expect(HTML.lines("a\n<b>\u{1B}").text == "a\n&lt;b&gt;\\u{1B}")
        #expect(HTML.path("runs", "a/b ü") == "/runs/a%2Fb%20%C3%BC")
    }
}
