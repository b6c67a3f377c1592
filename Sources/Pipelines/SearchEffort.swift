// The search effort of pipeline stages, which is enough to find the best network reproducibly. Adding a device takes
// seconds, and the search must not cost more than measuring the chosen network. A search ends after at most 1,500
// networks per layer without improvement; a front scores at most 1,200 networks per layer, which is enough for a plot.

import Networks
import Search

extension EvolutionarySearch.Options {
    /// Makes options for `space`: the defaults, with patience (tuned for 20 layers) and the effort of a front limited
    /// in proportion to the number of layers.
    init(for space: SearchSpace) {
        self.init()
        let layers = max(space.layerCount, 1)
        patience = min(patience, 1500 * layers)
        frontEvaluations = min(frontEvaluations, 1200 * layers)
    }
}
