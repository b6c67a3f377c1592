// Variants of a space: other widths, classes, image sizes and lists of choices, with the same
// layers.

/// The differences of a variant from the original space; nil keeps the original's value.
public struct SpaceChange: Sendable, Equatable {
    /// Multiplies every width; the results are made divisible by 8.
    public var width: Double?
    /// Channels of an image, and classes.
    public var channels, classes: Int?
    /// Image sizes.
    public var resolutions: [Int]?
    /// The new choices of every stage that has more than one choice.
    public var depths, kernelSizes: [Int]?
    /// The new choices of every stage that has more than one choice.
    public var expandRatios: [Double]?

    /// Changes nothing.
    public init() {}

    /// The range of the width multiplier.
    public static let widths = 0.05...8.0
}

extension SearchSpace {
    /// Returns a copy of this space that is changed by `change` and called `name`. Does not validate the result;
    /// `check` does.
    public func changed(_ change: SpaceChange, name: String) -> SearchSpace {
        var space = self
        space.name = name
        space.inputChannels = change.channels ?? inputChannels
        space.classes = change.classes ?? classes
        space.resolutions = change.resolutions ?? resolutions
        space.layers = layers.map { $0.changed(change) }
        // Predictors and measurements of the parent do not apply to other widths, image channels or classes.
        if change.width ?? 1 != 1 || change.channels != nil || change.classes != nil {
            space.coupling?.parent = ""
        }
        return space
    }
}

extension Width {
    /// Returns this width with every choice times `factor`, made divisible by 8; unchanged if
    /// `factor` is nil.
    func scaled(by factor: Double?) -> Width {
        guard let factor else { return self }
        func scaled(_ width: Int) -> Int { SearchSpace.makeDivisible(Double(width) * factor) }
        switch self {
        case .constant(let width): return .constant(scaled(width))
        case .gene(let place, let choices): return .gene(place, choices: choices.map(scaled))
        }
    }
}

extension LayerDefinition {
    fileprivate func changed(_ change: SpaceChange) -> LayerDefinition {
        func open<Value>(_ values: [Value], _ other: [Value]?) -> [Value] {
            values.count > 1 ? other ?? values : values
        }
        var result = withLists { lists in
            guard lists.isElastic else { return }
            lists.kernelSizes = open(lists.kernelSizes, change.kernelSizes)
            lists.expandRatios = open(lists.expandRatios, change.expandRatios)
            if lists.runsAt == nil {
                lists.depths = open(lists.depths, change.depths)
                if let last = lists.depths.last { lists.places = lists.baseDepth + last }
            } else if lists.depths.count > 1, let depths = change.depths, let last = depths.last {
                // The optional layer of a stem runs only at the largest depth, and 0 skips it.
                lists.depths = depths.count > 1 ? [0, last] : [last]
                lists.runsAt = last
            }
        }
        result.outline.width = outline.width?.scaled(by: change.width)
        return result
    }
}
