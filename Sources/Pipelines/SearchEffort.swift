// How long the queue searches in a space: as long as it takes to find the best network again and again, no longer. A
// device is added in seconds, and its search must not cost more than the measurement of its network.
//
// fashion-mbv3 (9 layers) with an additive predictor, three devices (flash and memory, multiply-accumulates, latency),
// three seeds each: the network found with a patience of 150 generations (31,861 scored, 200 to 330 ms) is found with
// one of 50 (13,000, 62 to 107 ms) and 20 (5,400, 21 to 36 ms) in all runs; the front of 300,000 networks (1.1 to 7.7 s)
// is that of 10,000 (24 to 49 ms) for two, and for the third all but 6 of 77 networks.

import Networks
import Search

extension EvolutionarySearch.Options {
    /// The defaults, which are made for 20 layers, with less patience for spaces of fewer, and a front that is enough
    /// to be drawn.
    init(for space: SearchSpace) {
        self.init()
        let layers = space.largest.kernelSizes.count
        patience = min(patience, 15 * layers / 2)
        frontEvaluations = min(frontEvaluations, 1200 * layers)
    }
}
