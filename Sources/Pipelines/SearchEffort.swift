// How long the queue searches in a space: as long as it takes to find the best network again and again, no longer. A
// device is added in seconds, and its search must not cost more than the measurement of its network.
//
// Until nothing better has come for 1,500 networks a layer; the front of 1,200 networks a layer, enough to be drawn.

import Networks
import Search

extension EvolutionarySearch.Options {
    /// The defaults, which are made for 20 layers, with less patience for spaces of fewer, and a front that is enough
    /// to be drawn.
    init(for space: SearchSpace) {
        self.init()
        let layers = space.largest.kernelSizes.count
        patience = min(patience, 1500 * layers)
        frontEvaluations = min(frontEvaluations, 1200 * layers)
    }
}
