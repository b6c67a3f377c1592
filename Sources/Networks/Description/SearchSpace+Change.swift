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
    /// Returns the space with `change`, called `name`. Does not validate the result; `check` does.
    public func changed(_ change: SpaceChange, name: String) -> SearchSpace {
        var space = self
        space.name = name
        space.inputChannels = change.channels ?? inputChannels
        space.classes = change.classes ?? classes
        space.resolutions = change.resolutions ?? resolutions
        space.layers = layers.map { $0.changed(change) }
        // Predictors and measurements of the parent do not apply to other widths or classes.
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
        switch self {
        case .convolution(var conv):
            conv.width = conv.width.scaled(by: change.width)
            return .convolution(conv)
        case .residualConvolution(var conv):
            // The layer is active only at the largest depth.
            if let depths = change.depths, conv.depths.count > 1, let last = depths.last {
                conv.depths = depths.count > 1 ? [0, last] : [last]
                conv.runsAt = last
            }
            return .residualConvolution(conv)
        case .invertedResiduals(var stage):
            stage.width = stage.width.scaled(by: change.width)
            guard stage.isElastic else { return .invertedResiduals(stage) }
            stage.kernelSizes = open(stage.kernelSizes, change.kernelSizes)
            stage.expandRatios = open(stage.expandRatios, change.expandRatios)
            stage.depths = open(stage.depths, change.depths)
            stage.places = stage.depths.last ?? stage.places
            return .invertedResiduals(stage)
        case .bottlenecks(var stage):
            stage.width = stage.width.scaled(by: change.width)
            stage.expandRatios = open(stage.expandRatios, change.expandRatios)
            stage.depths = open(stage.depths, change.depths)
            stage.places = stage.baseDepth + (stage.depths.last ?? 0)
            return .bottlenecks(stage)
        case .dense(var dense):
            if let factor = change.width, let width = dense.width {
                dense.width = SearchSpace.makeDivisible(Double(width) * factor)
            }
            return .dense(dense)
        default: return self
        }
    }
}
