// Maps that are needed at the same time do not overlap, and memory is used again.
import Testing

@testable import Tensors

@Suite struct MemoryPlanTests {
    @Test("a chain of maps takes two places, however long it is")
    func chain() {
        var plan = MemoryPlan()
        for step in 0..<20 {
            let map = plan.add(100, step: step)
            plan.use(map, step: step + 1)
        }
        let (offsets, floats) = plan.placed()
        #expect(floats == 2 * Workspace.rounded(100))
        #expect(Set(offsets).count == 2)
    }

    @Test("maps of several images are that many times as large")
    func images() {
        var plan = MemoryPlan()
        for step in 0..<3 { plan.use(plan.add(10, step: step), step: step + 1) }
        #expect(plan.placed(images: 5).floats == 2 * Workspace.rounded(50))
    }

    @Test("random maps never overlap while both are needed, and take no more than their sum")
    func random() {
        var draws = Draws(7100)
        for _ in 0..<50 {
            var plan = MemoryPlan(), maps: [(floats: Int, born: Int, last: Int)] = []
            for step in 0..<30 {
                let map = (draws.integer(1...500), step, step + draws.integer(0...6))
                let number = plan.add(map.0, step: step)
                plan.use(number, step: map.2)
                maps.append(map)
            }
            let (offsets, floats) = plan.placed()
            for i in maps.indices {
                #expect(offsets[i] % 16 == 0 && offsets[i] + maps[i].floats <= floats)
                for j in 0..<i where maps[j].last >= maps[i].born {
                    #expect(
                        offsets[j] + maps[j].floats <= offsets[i]
                            || offsets[i] + maps[i].floats <= offsets[j])
                }
            }
            #expect(floats <= maps.reduce(0) { $0 + Workspace.rounded($1.floats) })
        }
    }
}
