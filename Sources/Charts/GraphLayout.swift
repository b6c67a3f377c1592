// The layout of a layered graph from left to right (Sugiyama, Tagawa and Toda, 1981). A node's layer is the length of the
// longest path to it; the order within a layer is found by barycentres; long edges are routed through dummy nodes, so that
// they pass between boxes.

/// The positions of nodes and edges in a drawing. Equal graphs have equal layouts.
struct GraphLayout {
    /// The size of a box, and the gaps between columns and between rows, in pixels.
    static let width = 196.0, height = 58.0, columnGap = 76.0, rowGap = 16.0, margin = 18.0
    /// The height of a dummy node.
    private static let lane = 8.0
    /// With more dummy nodes than this, long edges are drawn straight, behind the boxes.
    private static let mostDummies = 4000
    /// How often the order and the positions of each layer are improved.
    private static let sweeps = 8

    /// The left upper corner of each node's box, in the order of the graph.
    private(set) var corners: [(x: Double, y: Double)] = []
    /// The points of each edge: pairs of the right end of a box or dummy and the left end of the
    /// next.
    private(set) var routes: [[(x: Double, y: Double)]] = []
    /// The size of the drawing.
    private(set) var size = (width: 0.0, height: 0.0)

    /// One node of a layer: a box or a dummy.
    private struct Node {
        let layer: Int
        let height: Double
        var left: [Int] = []
        var right: [Int] = []
        /// The top of the node.
        var y = 0.0

        var middle: Double { y + height / 2 }
    }
    private var nodes: [Node] = []
    private var layers: [[Int]] = []

    /// Lays out `count` nodes. `edges` are pairs of positions, of which the second comes later in `order`.
    init(count: Int, order: [Int], edges: [(from: Int, to: Int)]) {
        let depth = Self.depths(count, order, edges)
        nodes = depth.map { Node(layer: $0, height: Self.height) }
        let paths = connect(edges, depth)
        layers = [[Int]](repeating: [], count: (depth.max() ?? 0) + 1)
        for place in order + Array(nodes.indices.dropFirst(count)) {
            layers[nodes[place].layer].append(place)
        }
        for sweep in 0..<Self.sweeps { sort(leftwards: sweep % 2 == 1) }
        for place in layers.indices { stack(place) }
        for sweep in 0..<Self.sweeps { align(leftwards: sweep % 2 == 1) }
        finish(count, paths)
    }

    /// Returns the layer of each node. A node without inputs lies just left of the first node that needs it.
    private static func depths(_ count: Int, _ order: [Int], _ edges: [(from: Int, to: Int)])
        -> [Int]
    {
        var inputs = [[Int]](repeating: [], count: count)
        var outputs = inputs
        for edge in edges {
            inputs[edge.to].append(edge.from)
            outputs[edge.from].append(edge.to)
        }
        var depth = [Int](repeating: 0, count: count)
        for place in order {
            depth[place] = inputs[place].map { depth[$0] + 1 }.max() ?? 0
        }
        for place in order where inputs[place].isEmpty {
            if let first = outputs[place].map({ depth[$0] }).min() { depth[place] = first - 1 }
        }
        return depth
    }

    /// Adds dummy nodes and neighbours; returns the nodes of each edge from left to right.
    private mutating func connect(_ edges: [(from: Int, to: Int)], _ depth: [Int]) -> [[Int]] {
        let dummies = edges.reduce(0) { $0 + max(0, depth[$1.to] - depth[$1.from] - 1) }
        return edges.map { edge in
            var path = [edge.from]
            if dummies <= Self.mostDummies {
                for layer in (depth[edge.from] + 1)..<max(depth[edge.from] + 1, depth[edge.to]) {
                    nodes.append(Node(layer: layer, height: Self.lane))
                    path.append(nodes.count - 1)
                }
            }
            path.append(edge.to)
            for (one, next) in zip(path, path.dropFirst()) {
                nodes[one].right.append(next)
                nodes[next].left.append(one)
            }
            return path
        }
    }

    /// Sorts the nodes of each layer by the mean position of their neighbours in the layer to the
    /// left; with `leftwards`, in the layer to the right.
    private mutating func sort(leftwards: Bool) {
        var position = [Double](repeating: 0, count: nodes.count)
        for layer in layers {
            for (place, node) in layer.enumerated() {
                position[node] = (Double(place) + 0.5) / Double(layer.count)
            }
        }
        let order = leftwards ? Array(layers.indices.reversed()) : Array(layers.indices)
        for index in order {
            let keys = layers[index].map { node in
                let near = leftwards ? nodes[node].right : nodes[node].left
                return near.isEmpty
                    ? position[node]
                    : near.reduce(0) { $0 + position[$1] } / Double(near.count)
            }
            let sorted = layers[index].indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
            layers[index] = sorted.map { layers[index][$0] }
            for (place, node) in layers[index].enumerated() {
                position[node] = (Double(place) + 0.5) / Double(layers[index].count)
            }
        }
    }

    /// Places the nodes of a layer one below the other, centred at 0.
    private mutating func stack(_ layer: Int) {
        let total = layers[layer].reduce(-Self.rowGap) { $0 + nodes[$1].height + Self.rowGap }
        var y = -total / 2
        for node in layers[layer] {
            nodes[node].y = y
            y += nodes[node].height + Self.rowGap
        }
    }

    /// Moves the nodes of each layer to the mean position of their neighbours in the layer to the
    /// left; with `leftwards`, in the layer to the right. The nodes keep their order. Overlaps are
    /// removed twice, by moving nodes down and by moving nodes up, and each node gets the mean of
    /// both positions.
    private mutating func align(leftwards: Bool) {
        let order = leftwards ? Array(layers.indices.reversed()) : Array(layers.indices)
        for index in order {
            let layer = layers[index]
            let wanted = layer.map { node in
                let near = leftwards ? nodes[node].right : nodes[node].left
                guard !near.isEmpty else { return nodes[node].y }
                return near.reduce(0) { $0 + nodes[$1].middle } / Double(near.count)
                    - nodes[node].height / 2
            }
            var low = wanted, high = wanted
            for place in layer.indices.dropFirst() {
                let step = nodes[layer[place - 1]].height + Self.rowGap
                low[place] = max(low[place], low[place - 1] + step)
            }
            for place in layer.indices.dropLast().reversed() {
                let step = nodes[layer[place]].height + Self.rowGap
                high[place] = min(high[place], high[place + 1] - step)
            }
            for (place, node) in layer.enumerated() {
                nodes[node].y = (low[place] + high[place]) / 2
            }
        }
    }

    /// Moves the drawing to its margins and records corners, routes and size.
    private mutating func finish(_ count: Int, _ paths: [[Int]]) {
        let top = nodes.map(\.y).min() ?? 0
        let bottom = nodes.map { $0.y + $0.height }.max() ?? 0
        func x(_ node: Int) -> Double {
            Self.margin + Double(nodes[node].layer) * (Self.width + Self.columnGap)
        }
        func y(_ value: Double) -> Double { value - top + Self.margin }
        corners = (0..<count).map { (x($0), y(nodes[$0].y)) }
        routes = paths.map { path in
            zip(path, path.dropFirst()).flatMap { one, next in
                [
                    (x(one) + Self.width, y(nodes[one].middle)),
                    (x(next), y(nodes[next].middle)),
                ]
            }
        }
        let columns = Double(layers.count)
        size = (
            2 * Self.margin + columns * Self.width + (columns - 1) * Self.columnGap,
            2 * Self.margin + bottom - top
        )
    }
}
