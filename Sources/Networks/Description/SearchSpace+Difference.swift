// Compares spaces: their first difference for messages, and whether one space is a part of another.
import Foundation
import Intake

extension SearchSpace {
    /// Returns the first field that differs from `other`'s, such as `layers[3].width is 48, not 40`
    /// (40 is `other`'s); nil if no field differs. Ignores the name, image sizes, coupling and open
    /// widths.
    public func difference(from other: SearchSpace) throws -> String? {
        func node(_ space: SearchSpace) throws -> JSONNode {
            var space = space.uncoupled
            (space.name, space.resolutions, space.openWidths) = ("", [], nil)
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return try JSONNode(
                String(decoding: try encoder.encode(space), as: UTF8.self),
                JSONRule(maxBytes: 1 << 24))
        }
        return try node(self).difference(from: try node(other))
    }

    /// Returns the first difference from `other`, with which this space shares no supernet; nil if every network of one
    /// space is one of the other. With `besidesClasses`, the name and the number of classes may differ.
    public func apart(from other: SearchSpace, besidesClasses: Bool) throws -> String? {
        var own = self
        if besidesClasses {
            (own.classes, own.name) = (other.classes, other.name)
            if let parent = other.coupling?.parent { own.coupling?.parent = parent }
        }
        if own == other { return nil }
        if let difference = try own.difference(from: other) { return difference }
        if own.resolutions != other.resolutions {
            return "resolutions are \(own.resolutions), not \(other.resolutions)"
        }
        return own.name == other.name
            ? "its coupled or open genes are others" : "its name is \(own.name), not \(other.name)"
    }

    /// Returns a copy of this space. If a list of kernel sizes, expand ratios or depths is a subset of the same layer's
    /// list in `whole`, the copy has the list of `whole` instead. This space is a part of `whole` if the copy does not
    /// differ from `whole`.
    public func part(of whole: SearchSpace) -> SearchSpace {
        func widened<Value: Equatable>(_ own: [Value], _ all: [Value]) -> [Value] {
            own.allSatisfy(all.contains) ? all : own
        }
        var space = self
        guard layers.count == whole.layers.count else { return space }
        space.layers = zip(layers, whole.layers).map { own, all in
            guard let all = all.outline.lists else { return own }
            return own.withLists { lists in
                lists.kernelSizes = widened(lists.kernelSizes, all.kernelSizes)
                lists.expandRatios = widened(lists.expandRatios, all.expandRatios)
                lists.depths = widened(lists.depths, all.depths)
            }
        }
        return space
    }
}

extension TrainedDomain {
    /// Returns whether all choices and image sizes of `space` were trained. A gene with a single
    /// choice counts as trained.
    public func covers(_ space: SearchSpace) -> Bool {
        func holds<Value: Equatable>(_ values: [Value], _ known: [Value]) -> Bool {
            values.count < 2 || values.allSatisfy(known.contains)
        }
        return space.resolutions.allSatisfy(resolutions.contains)
            && space.widthGenes.indices.allSatisfy { holds(space.openValues[$0], widths) }
            && space.stages.allSatisfy { stage in
                holds(stage.kernelSizes, kernelSizes) && holds(stage.expandRatios, expandRatios)
                    && holds(stage.depths, depths)
            }
    }
}
