// What every chart keeps: it is well-formed, safe, deterministic, named, and stays inside its frame.

import Foundation
import Testing

@testable import Charts

@Suite struct ChartsTests {
    private static let forms: [(ChartForm, ChartSize)] = [
        (.standalone, .wide), (.standalone, .narrow), (.embedded, .wide), (.embedded, .narrow),
    ]

    /// Whether a chart's markup may be served with `style-src 'self'` and without scripts.
    private func checkPolicy(_ picture: Picture) {
        for element in picture.elements {
            #expect(!["script", "foreignObject", "image", "use", "iframe"].contains(element.name))
            for name in element.attributes.keys {
                #expect(name != "style" && !name.lowercased().hasPrefix("on"), "\(name)")
            }
            if let href = element.attributes["href"] { #expect(Drawing.isSafe(href)) }
        }
    }

    @Test("every chart is well-formed, equal in equal calls, and allowed by a strict policy")
    func wellFormed() throws {
        for chart in Samples.all("a word") + Samples.empty + Samples.flat {
            for (form, size) in Self.forms {
                let svg = chart.svg(form, size)
                #expect(svg == chart.svg(form, size))
                let picture = try Picture(svg)
                checkPolicy(picture)
                let styles = picture.elements.filter { $0.name == "style" }.count
                #expect(styles == (form == .standalone ? 1 : 0))
                #expect(!svg.contains("style="))
                for word in ["nan", "inf"] {
                    let numbers = svg.matches(of: /(?:x|y|d|width|height|r)="([^"]*)"/)
                    #expect(!numbers.contains { $0.1.contains(word) }, "\(chart)")
                }
            }
        }
    }

    @Test("markup, quotes and control characters from outside are text everywhere")
    func hostile() throws {
        let word =
            "</text></title><script>alert(1)</script>' onload=\"x\" \u{1B}[31m\u{202E}\u{0}\n&amp;"
        for chart in Samples.all(word) {
            for (form, size) in Self.forms {
                let svg = chart.svg(form, size, id: word)
                let picture = try Picture(svg)
                checkPolicy(picture)
                #expect(!svg.contains("<script"))
                let odd = svg.unicodeScalars.filter {
                    $0 != "\n" && ($0.value < 32 || $0.value == 0x202E)
                }
                #expect(odd.isEmpty)
                #expect(picture.elements[1].text.hasPrefix("</text></title><script>"))
            }
        }
    }

    @Test("a chart has a title and a description, which the caller can make unique in the page")
    func named() throws {
        let chart = Samples.scatter("front")
        let plain = try Picture(chart.svg(.embedded))
        #expect(plain.elements[0].attributes["role"] == "img")
        #expect(plain.elements[1].name == "title" && plain.elements[2].name == "desc")
        #expect(plain.elements[2].text == chart.summary && chart.summary.contains("29 points"))
        #expect(plain.elements[0].attributes["aria-labelledby"] == nil)
        let pair = chart.pair(id: "front 7")
        #expect(pair.contains("aria-labelledby=\"front7-wide-title front7-wide-desc\""))
        #expect(pair.contains("<desc id=\"front7-narrow-desc\">"))
        #expect(pair.components(separatedBy: "<svg").count == 3 && !pair.contains("<style"))
        let ids = pair.matches(of: /id="([^"]+)"/).map { String($0.1) }
        #expect(Set(ids).count == ids.count && ids.count == 4)
        // The children of an image are not announced, so a chart with links is a group.
        #expect(try Picture(Samples.bars("a").svg()).elements[0].attributes["role"] == "group")
    }

    @Test(
        "no text leaves its chart, however long the words are",
        arguments: ["a", "a name of several words", String(repeating: "Wide word ", count: 30)])
    func inside(word: String) throws {
        for chart in Samples.all(word) {
            for (form, size) in Self.forms {
                let picture = try Picture(chart.svg(form, size))
                let width = picture.elements[0].number("width")
                for place in picture.places {
                    #expect(
                        place.from >= -0.5 && place.to <= width + 0.5,
                        "\(type(of: chart)) \(size): \(place)")
                }
                for element in picture.elements where element.name == "rect" {
                    guard element.kind != "paper" else { continue }
                    let x = element.number("x"), right = x + element.number("width")
                    #expect(x >= -0.5 && right <= width + 0.5, "\(type(of: chart)): \(element)")
                }
            }
        }
    }

    @Test("what was cut is a tip")
    func cut() throws {
        let long = String(repeating: "long ", count: 60)
        let picture = try Picture(Samples.bars(long).svg())
        let cut = picture.elements.filter { $0.name == "text" && $0.text.hasSuffix("…") }
        #expect(!cut.isEmpty)
        let indices = picture.elements.indices.filter { picture.elements[$0].name == "title" }
        let parents = Set(indices.compactMap { picture.elements[$0].parent })
        for index in picture.elements.indices
        where picture.elements[index].name == "text" && picture.elements[index].text.hasSuffix("…")
        {
            #expect(parents.contains(index))
        }
    }

    @Test("the style sheet's rules concern charts only, and have colours for both kinds of screens")
    func stylesheet() {
        let rules = Charts.stylesheet.split(separator: "\n").filter {
            !$0.hasPrefix("@media") && $0 != "}"
        }
        #expect(rules.count > 60)
        for rule in rules {
            let selectors = rule.prefix { $0 != "{" }.split(separator: ",")
            #expect(
                selectors.allSatisfy {
                    $0.hasPrefix(".ofa-chart ") || $0.hasPrefix("html .ofa-chart")
                }, "\(rule)")
        }
        #expect(Charts.stylesheet.contains("prefers-color-scheme:dark"))
        let open = Charts.stylesheet.filter { $0 == "{" }.count
        #expect(open == Charts.stylesheet.filter { $0 == "}" }.count)
        for word in ["url(", "@import", "http", "expression"] {
            #expect(!Charts.stylesheet.contains(word))
        }
    }

    @Test("links lead to paths and pages of the web only")
    func links() {
        for href in ["/jobs/1", "#a", "?by=day", "./a", "../a", "https://a.b/c", "http://a.b"] {
            #expect(Drawing.isSafe(href), "\(href)")
        }
        for href in [
            "javascript:alert(1)", " javascript:x", "data:text/html,x", "//a.b", "", "a:b",
        ] {
            #expect(!Drawing.isSafe(href), "\(href)")
        }
    }
}
