// The figures of a machine that are in force, each with its source: the environment, what is stated, the processor's model,
// the factor set, or a default. Meters use them in this order (`FactorSet.zone`, `HostDescription.current`).

import Metering

/// A figure of a machine, with its source.
public struct HostFigure: Sendable, Equatable {
    /// A text or a number.
    public enum Value: Sendable, Equatable {
        /// A text, such as a zone.
        case text(String)
        /// A number with its range; both bounds equal the value if no range is known.
        case number(Interval)
    }

    /// The name, as in `HostSetting.keys`.
    public let name: String
    /// The value; nil if it is unknown.
    public let value: Value?
    /// The unit; empty for texts.
    public let unit: String
    /// Where the value comes from: `stated`, the name of a variable, or a text such as `factor set 1`; nil if it is unknown.
    public let source: String?

    /// Returns the figures of a machine of which `setting` is stated. `processor` is the description of the machine without
    /// what is stated of it, and `environment` its environment; both are known for the machine of this program only.
    public static func all(
        of setting: HostSetting, factors: FactorSet, processor: HostDescription? = nil,
        environment: [String: String] = [:]
    ) -> [HostFigure] {
        func variable(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        var figures = [
            zone(variable("OFA_ZONE"), setting.zone),
            pue(setting, factors),
        ]
        for figure in HostSetting.Figure.allCases {
            switch figure {
            case .pue, .pueLow, .pueHigh, .embodiedLow, .embodiedHigh: continue
            case .ratedWatts:
                figures.append(
                    rating(
                        figure, setting, variable("OFA_TDP_WATTS").flatMap(Double.init),
                        "OFA_TDP_WATTS", processor?.rating.watts, processor))
            case .hostThreads:
                figures.append(
                    rating(
                        figure, setting, variable("OFA_HOST_THREADS").flatMap(Double.init),
                        "OFA_HOST_THREADS", processor.map { Double($0.rating.threads) },
                        processor))
            case .embodied:
                figures.append(
                    number(
                        figure,
                        stated(setting, figure, (.embodiedLow, .embodiedHigh)), setting))
            default: figures.append(number(figure, stated(setting, figure), setting))
            }
        }
        return figures
    }

    private static func zone(_ variable: String?, _ stated: String?) -> HostFigure {
        let source = variable != nil ? "OFA_ZONE" : stated != nil ? "stated" : "default"
        return HostFigure(
            name: "zone", value: .text(variable ?? stated ?? FactorSet.usualZone), unit: "",
            source: source)
    }

    private static func pue(_ setting: HostSetting, _ factors: FactorSet) -> HostFigure {
        let known = stated(setting, .pue, (.pueLow, .pueHigh))
        return HostFigure(
            name: "pue", value: .number(known ?? factors.pue.interval),
            unit: HostSetting.Figure.pue.unit,
            source: known == nil ? "factor set \(factors.version)" : "stated")
    }

    private static func rating(
        _ figure: HostSetting.Figure, _ setting: HostSetting, _ variable: Double?, _ name: String,
        _ known: Double?, _ processor: HostDescription?
    ) -> HostFigure {
        let stated = setting.figures[figure]
        let value = variable ?? stated ?? known
        let source: String? =
            variable != nil ? name : stated != nil ? "stated" : processor?.rating.source
        return HostFigure(
            name: figure.rawValue, value: value.map { .number(Interval(exactly: $0)) },
            unit: figure.unit, source: source)
    }

    private static func number(
        _ figure: HostSetting.Figure, _ value: Interval?, _ setting: HostSetting
    ) -> HostFigure {
        let unit =
            figure.isMoney
            ? setting.currency.map { "\($0)/\(figure.unit)" } ?? "1/\(figure.unit)" : figure.unit
        return HostFigure(
            name: figure.rawValue, value: value.map { .number($0) }, unit: unit,
            source: value == nil ? nil : "stated")
    }

    private static func stated(
        _ setting: HostSetting, _ figure: HostSetting.Figure,
        _ bounds: (low: HostSetting.Figure, high: HostSetting.Figure)? = nil
    ) -> Interval? {
        guard let value = setting.figures[figure] else { return nil }
        guard let bounds, let low = setting.figures[bounds.low],
            let high = setting.figures[bounds.high], low <= value, value <= high
        else { return Interval(exactly: value) }
        return Interval(value: value, low: low, high: high)
    }
}
