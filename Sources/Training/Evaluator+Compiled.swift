// Compiles the subnets that an evaluator measures, if that takes less time than it saves.

import Networks
import Synchronization
import Tensors

extension Evaluator {
    /// Returns whether a subnet is compiled before it runs on `images` images.
    ///
    /// On one thread, compiling takes about 2 ns for each of the subnet's weights, and a compiled pass saves 2 to 6 ps per
    /// multiply-add. For 25 images of the largest, a middle and the smallest network of `ofa-mbv3-w1.0` at 128 pixels,
    /// compiling takes 13, 11 and 6 ms, and the pass 11, 7 and 6 ms less than 117, 54 and 29 ms (`ofa-bench infer
    /// --resolution 128 --batch 25 --threads 1`): it pays from 30, 38 and 23 images on. The rule asks for 41, 54 and 83. It
    /// depends neither on the number of threads nor on other subnets, so the last bits of a result do not either.
    static func compiles(_ shape: NetworkShape, images: Int) -> Bool {
        let cost = NetworkCost(shape)
        return images * cost.macs >= 1_000 * cost.parameters
    }

    /// Compiles those of `subnets` that `compiles` chooses, each on one lane, and hands them to all lanes.
    func compile(_ subnets: [Calibrated], images: Int) {
        let most = min(batch, images), next = Atomic<Int>(0)
        let chosen = subnets.indices.filter {
            network.usesKernelTransform && Self.compiles(subnets[$0].shape, images: images)
        }
        if !chosen.isEmpty {
            network.engine.onEachLane { thread in
                while true {
                    let place = next.add(1, ordering: .relaxed).oldValue
                    if place >= chosen.count { break }
                    self.lanes[thread].compile(
                        subnets[chosen[place]], number: chosen[place], images: most)
                }
            }
        }
        let all = lanes.flatMap(\.compiled)
        for lane in lanes { lane.compiled = all }
    }

    /// Frees the compiled subnets.
    func forgetCompiled() {
        for lane in lanes { lane.compiled = [] }
    }
}
