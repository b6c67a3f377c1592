// A layered graph: the stages of a run with their states, or artifacts and what they were made from.

/// A chart of a directed graph without cycles.
public struct GraphChart: Chart {
    /// A node.
    public struct Node: Sendable {
        let kind, name, detail: String
        let state: ChartState?
        let isMarked, isFaded: Bool
        let tip, href: String?

        /// Makes a node of three lines. A marked node has a thick border, a faded one a dashed border.
        public init(
            kind: String, name: String, detail: String = "", state: ChartState? = nil,
            isMarked: Bool = false, isFaded: Bool = false, tip: String? = nil, href: String? = nil
        ) {
            (self.kind, self.name, self.detail, self.state) = (kind, name, detail, state)
            (self.isMarked, self.isFaded, self.tip, self.href) = (isMarked, isFaded, tip, href)
        }
    }

    /// An edge between two nodes by their positions.
    public struct Edge: Sendable {
        let from, to: Int
        let label, tip: String?

        /// Makes an edge; `label` is drawn at its end, `tip` is shown under the pointer.
        public init(from: Int, to: Int, label: String? = nil, tip: String? = nil) {
            (self.from, self.to, self.label, self.tip) = (from, to, label, tip)
        }
    }

    /// The name of the chart.
    public let title: String
    /// What the chart shows, in a sentence.
    public let summary: String
    private let nodes: [Node]
    private let edges: [Edge]
    private let note: String?
    /// The positions of the nodes, each after all nodes that it follows.
    private let order: [Int]

    /// Makes a chart; `note` is a sentence below it. Edges of a node to itself, of unknown nodes and of cycles are left
    /// out.
    public init(
        title: String, summary: String? = nil, nodes: [Node], edges: [Edge], note: String? = nil
    ) {
        self.title = title
        let known = edges.filter {
            $0.from != $0.to && nodes.indices.contains($0.from) && nodes.indices.contains($0.to)
        }
        let order = Self.sorted(nodes.count, known)
        var place = [Int](repeating: 0, count: nodes.count)
        for (index, node) in order.enumerated() { place[node] = index }
        self.nodes = nodes
        self.edges = known.filter { place[$0.from] < place[$0.to] }
        (self.note, self.order) = (note, order)
        self.summary = summary ?? Self.described(nodes, self.edges.count, note)
    }

    private static func described(_ nodes: [Node], _ edges: Int, _ note: String?) -> String {
        let few = nodes.prefix(40).map { node in
            node.name + (node.state.map { ": \($0.rawValue)" } ?? "")
        }
        return "\(nodes.count) nodes and \(edges) edges. " + few.joined(separator: "; ")
            + (nodes.count > few.count ? "; and \(nodes.count - few.count) more." : ".")
            + (note.map { " \($0)." } ?? "")
    }

    /// Returns the nodes so that each comes after those that it follows, otherwise in their order. Nodes of a cycle come
    /// last.
    private static func sorted(_ count: Int, _ edges: [Edge]) -> [Int] {
        var inputs = [Int](repeating: 0, count: count)
        var outputs = [[Int]](repeating: [], count: count)
        for edge in edges {
            inputs[edge.to] += 1
            outputs[edge.from].append(edge.to)
        }
        var order = (0..<count).filter { inputs[$0] == 0 }
        var next = 0
        while next < order.count {
            for node in outputs[order[next]] {
                inputs[node] -= 1
                if inputs[node] == 0 { order.append(node) }
            }
            next += 1
        }
        let sorted = Set(order)
        return order + (0..<count).filter { !sorted.contains($0) }
    }

    // MARK: Drawing

    /// Returns the drawing in one size. A wide chart runs from left to right in its natural size; a narrow one has a node
    /// in each row and the edges left of them.
    public func drawing(_ size: ChartSize) -> Drawing {
        var drawing = size == .wide ? layered() : listed()
        if let note {
            drawing.text(
                18, drawing.height + 6, note, style: "small", fit: drawing.width - 36,
                size: ChartText.smallSize)
            drawing.height += 20
        }
        return drawing
    }

    private func layered() -> Drawing {
        let layout = GraphLayout(
            count: nodes.count, order: order, edges: edges.map { ($0.from, $0.to) })
        var drawing = Drawing(width: max(layout.size.width.rounded(.up), 160))
        drawing.height = layout.size.height.rounded(.up)
        drawing.fit = .scrolls
        for (edge, route) in zip(edges, layout.routes) {
            drawing.path("edge", Self.curve(route), tip: edge.tip)
            if let label = edge.label, let end = route.last {
                drawing.text(
                    end.x - 5, end.y - 4, label, anchor: .end, style: "small", fit: 66,
                    size: ChartText.smallSize)
            }
        }
        for (node, corner) in zip(nodes, layout.corners) {
            draw(node, &drawing, corner.x, corner.y, width: GraphLayout.width)
        }
        return drawing
    }

    private static func curve(_ points: [(x: Double, y: Double)]) -> String {
        let n = ChartText.number
        guard let first = points.first else { return "" }
        var path = "M\(n(first.x)) \(n(first.y))"
        for (index, point) in points.enumerated().dropFirst() {
            let last = points[index - 1]
            if index % 2 == 0 {
                // Across a column, the curve runs straight.
                path += "H\(n(point.x))"
            } else {
                let middle = n((last.x + point.x) / 2)
                path +=
                    "C\(middle) \(n(last.y)) \(middle) \(n(point.y)) \(n(point.x)) \(n(point.y))"
            }
        }
        return path
    }

    private func draw(
        _ node: Node, _ drawing: inout Drawing, _ x: Double, _ y: Double, width: Double
    ) {
        let kinds = [
            "box", node.state.map { "state \($0.rawValue)" }, node.isMarked ? "marked" : nil,
            node.isFaded ? "faded" : nil,
        ]
        let state = node.state.map { ", \($0.rawValue)" } ?? ""
        let tip = node.tip ?? "\(node.kind) \(node.name)\(state)"
        let room = width - 20
        drawing.group(tip: tip, href: node.href) { drawing in
            drawing.rect(
                kinds.compactMap(\.self).joined(separator: " "), x, y, width, GraphLayout.height,
                radius: 5)
            if let state = node.state { drawing.icon(state, x + width - 14, y + 14) }
            drawing.text(
                x + 10, y + 17, node.kind, style: "small", fit: room - (node.state == nil ? 0 : 16),
                size: ChartText.smallSize)
            drawing.text(x + 10, y + 33, node.name, style: "name", fit: room)
            drawing.text(
                x + 10, y + 49, node.detail.isEmpty ? node.state?.rawValue ?? "" : node.detail,
                style: "small", fit: room, size: ChartText.smallSize)
        }
    }

    // MARK: Narrow

    private static let gap = 10.0, mostGutter = 110.0

    /// Returns the nodes in one column, with edges as brackets in lanes left of them.
    private func listed() -> Drawing {
        var drawing = Drawing(width: ChartSize.narrow.width)
        var place = [Int](repeating: 0, count: nodes.count)
        for (index, node) in order.enumerated() { place[node] = index }
        let spans = edges.map { (edge: $0, from: place[$0.from], to: place[$0.to]) }
            .sorted { ($0.to - $0.from, $0.from) < ($1.to - $1.from, $1.from) }
        // Short edges are near the boxes. Edges from one node may share their lane.
        var lanes: [[(from: Int, to: Int)]] = []
        let taken = spans.map { span -> Int in
            let free = lanes.firstIndex { lane in
                lane.allSatisfy { $0.from == span.from || $0.to <= span.from || $0.from >= span.to }
            }
            if let free {
                lanes[free].append((span.from, span.to))
            } else {
                lanes.append([(span.from, span.to)])
            }
            return free ?? lanes.count - 1
        }
        let step = min(10, Self.mostGutter / Double(max(1, lanes.count)))
        let left = 12 + (lanes.isEmpty ? 0 : step * Double(lanes.count) + 6)
        let row = GraphLayout.height + Self.gap
        func top(_ index: Int) -> Double { 12 + row * Double(index) }
        let n = ChartText.number
        for (span, lane) in zip(spans, taken) {
            let x = left - 6 - step * Double(lane + 1) + step / 2
            let y = (
                top(span.from) + GraphLayout.height * 0.65, top(span.to) + GraphLayout.height * 0.35
            )
            drawing.path(
                "edge", "M\(n(left)) \(n(y.0))H\(n(x))V\(n(y.1))H\(n(left))", tip: span.edge.tip)
        }
        for (index, node) in order.enumerated() {
            draw(nodes[node], &drawing, left, top(index), width: drawing.width - left - 12)
        }
        drawing.height = top(nodes.count) + 4
        return drawing
    }
}
