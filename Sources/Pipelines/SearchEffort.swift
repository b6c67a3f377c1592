// The search effort of pipeline stages. Adding a device takes seconds, and the search must not cost more than measuring
// the chosen network. So a search ends after at most 1,500 networks per layer without improvement, which is enough to
// find the best network reproducibly. A front scores at most 1,200 networks per layer, which is enough for a plot.

import Networks
import Search

extension EvolutionarySearch.Options {
    /// Makes the default options, but limits `patience` and `frontEvaluations` to a number of networks proportional to
    /// the number of layers of `space`; the default patience suits 20 layers.
    init(for space: SearchSpace) {
        self.init()
        let layers = max(space.layerCount, 1)
        patience = min(patience, 1500 * layers)
        frontEvaluations = min(frontEvaluations, 1200 * layers)
    }
}
