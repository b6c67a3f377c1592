// The style sheet of all charts. Every rule begins with the class of charts, so that it changes nothing else of a page.

/// The style sheet of charts.
enum Stylesheet {
    /// The rules: for all screens, the colours on light paper, and the colours on dark paper.
    static let text =
        scoped(shapes) + scoped(colours(\.light)) + "@media (prefers-color-scheme:dark){\n"
        + scoped(colours(\.dark)) + "}\n" + page

    /// Adds the class of charts to each rule; a rule is one line.
    private static func scoped(_ rules: String) -> String {
        rules.split(separator: "\n").map { rule in
            guard let brace = rule.firstIndex(of: "{") else { return String(rule) }
            let selectors = rule[..<brace].split(separator: ",").map { ".ofa-chart \($0)" }
            return selectors.joined(separator: ",") + rule[brace...] + "\n"
        }.joined()
    }

    /// What does not depend on the paper. Classes of series and states set `color`; these rules say where it is used.
    private static let shapes = """
        text{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;font-size:11.5px}
        .head{font-size:14px;font-weight:600}
        .cap{font-weight:600}
        .small{font-size:10.5px}
        .grid,.axis,.edge,.border,.tie,.diagonal,.limit{fill:none}
        .border{stroke-dasharray:2 3}
        .tie{stroke-dasharray:2 3}
        .diagonal{stroke-dasharray:4 3}
        .limit{stroke:currentColor;stroke-width:1.6;stroke-dasharray:5 4}
        .edge{stroke-width:1.2}
        .edge:hover{stroke-width:2.8}
        .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}
        .bar{fill:none;stroke:currentColor;stroke-width:1.4}
        .dots{fill:none;stroke:currentColor;stroke-width:3.6;stroke-linecap:round}
        .dot,.fill,.cell{fill:currentColor}
        .mark{fill:currentColor;stroke-width:1.2}
        .hollow{stroke:currentColor;stroke-width:2}
        .icon{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
        .skip{stroke:currentColor;stroke-width:2}
        .over{fill:currentColor;fill-opacity:.07}
        .area{fill:currentColor;fill-opacity:.12}
        .phase,.hit{fill:currentColor;fill-opacity:0}
        .phase:hover{fill-opacity:.05}
        .hit:hover{fill-opacity:.12}
        .whisker{stroke-width:1.6}
        .span{fill:currentColor;stroke:currentColor;stroke-width:1}
        .span.waiting,.span.cancelled{fill-opacity:.2}
        .span.cancelled{stroke-dasharray:3 2}
        .span.running{fill-opacity:.55}
        .span.paused{fill-opacity:.2;stroke-dasharray:6 2}
        .box{stroke-width:1.2}
        .box.marked{stroke-width:2.8}
        .box.faded{fill:none;stroke-dasharray:5 4}
        .box.state{stroke:currentColor;stroke-width:1.8}
        a .name{text-decoration:underline}
        a:hover .box,a:focus-visible .box{stroke-width:3.2}
        """

    private static func colours(_ paper: KeyPath<Palette.Ink, String>) -> String {
        func colour(_ ink: Palette.Ink) -> String { ink[keyPath: paper] }
        var rules = [
            ".paper,.hollow{fill:\(colour(Palette.paper))}",
            ".mark,.fill,.cell{stroke:\(colour(Palette.paper))}",
            "text{fill:\(colour(Palette.text))}",
            ".head,.cap,.name{fill:\(colour(Palette.strong))}",
            ".warn{fill:\(colour(Palette.warning))}",
            ".limit,.skip,.over{color:\(colour(Palette.warning))}",
            ".whisker{color:\(colour(Palette.strong))}",
            ".grid{stroke:\(colour(Palette.grid))}",
            ".track{fill:\(colour(Palette.grid))}",
            ".axis,.edge,.border,.tie,.diagonal{stroke:\(colour(Palette.rule))}",
            ".box{fill:\(colour(Palette.box));stroke:\(colour(Palette.rule))}",
            ".box.marked{stroke:\(colour(Palette.state(.running)))}",
            ".first{fill:\(colour(Palette.firstCount))}",
            ".count{fill:\(colour(Palette.count))}",
        ]
        rules += Palette.series.enumerated().map { ".s\($0){color:\(colour($1))}" }
        rules += ChartState.allCases.map { ".\($0.rawValue){color:\(colour(Palette.state($0)))}" }
        rules += Palette.right.enumerated().map { ".r\($0){color:\(colour($1))}" }
        rules += Palette.wrong.enumerated().map { ".w\($0){color:\(colour($1))}" }
        return rules.joined(separator: "\n")
    }

    /// How charts fit a page. A document of its own keeps the size in its attributes.
    private static let page = """
        html .ofa-chart{display:block;height:auto;max-width:100%;margin:0 auto}
        html .ofa-chart.stretched{width:100%}
        html .ofa-chart.stretched.wide{max-width:860px}
        html .ofa-chart.stretched.narrow{max-width:440px}
        html .ofa-chart.scrolls{max-width:none}
        html .ofa-chart.paired.narrow{display:none}
        @media (max-width:760px){
        html .ofa-chart.paired.wide{display:none}
        html .ofa-chart.paired.narrow{display:block}}

        """
}
