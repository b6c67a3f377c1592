// The layout of graphs: boxes that do not overlap, from left to right.

import Testing

@testable import Charts

@Suite struct GraphLayoutTests {
    @Test("every node lies right of those that it follows, and no two boxes overlap")
    func layout() {
        var state: UInt64 = 3
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let count = 120
        var edges: [(from: Int, to: Int)] = []
        for to in 1..<count { for _ in 0..<draw(3) { edges.append((draw(to), to)) } }
        let layout = GraphLayout(count: count, order: Array(0..<count), edges: edges)
        let corners = layout.corners
        for (edge, route) in zip(edges, layout.routes) {
            #expect(corners[edge.from].x + GraphLayout.width < corners[edge.to].x)
            #expect(route.first?.x == corners[edge.from].x + GraphLayout.width)
            #expect(route.last?.x == corners[edge.to].x)
            #expect(zip(route, route.dropFirst()).allSatisfy { $0.x < $1.x })
        }
        for one in 0..<count {
            #expect(corners[one].x >= GraphLayout.margin && corners[one].y >= GraphLayout.margin)
            #expect(corners[one].x + GraphLayout.width + GraphLayout.margin <= layout.size.width)
            #expect(
                corners[one].y + GraphLayout.height + GraphLayout.margin
                    <= layout.size.height + 1e-9)
            for other in 0..<one where corners[one].x == corners[other].x {
                #expect(abs(corners[one].y - corners[other].y) >= GraphLayout.height)
            }
        }
    }
}
