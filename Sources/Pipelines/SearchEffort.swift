// The search effort of pipeline stages: enough to find the best network reproducibly. Adding a
// device takes seconds, and its search must not cost more than measuring its network. A search ends
// after 1,500 networks per layer without improvement; a front scores 1,200 networks per layer,
// enough for a plot.

import Networks
import Search

extension EvolutionarySearch.Options {
    /// The defaults (tuned for 20 layers) scaled to the number of layers, and a front large enough
    /// for a plot.
    init(for space: SearchSpace) {
        self.init()
        let layers = max(space.layerCount, 1)
        patience = min(patience, 1500 * layers)
        frontEvaluations = min(frontEvaluations, 1200 * layers)
    }
}
