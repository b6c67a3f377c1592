// MetricsText: the Prometheus text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

import Foundation

/// A metric: its name, what it means, and the names of its labels.
public struct MetricFamily: Sendable, Equatable {
    /// What a value may do.
    public enum Kind: String, Sendable {
        /// A value that never decreases while its source lives.
        case counter
        /// A value that goes up and down.
        case gauge
    }

    /// The name, such as `ofa_jobs`; that of a counter ends with `_total`.
    public let name: String
    /// What the value means, with its unit.
    public let help: String
    /// What a value may do.
    public let kind: Kind
    /// The names of the labels, in the order of `MetricSample.labels`.
    public let labels: [String]

    /// Describes a metric. Names have ASCII letters, digits and `_` only.
    public init(_ name: String, _ kind: Kind, labels: [String] = [], _ help: String) {
        precondition(([name] + labels).allSatisfy(Self.isName), "\(name) is no name of a metric")
        precondition((kind == .counter) == name.hasSuffix("_total"), "\(name) has a wrong ending")
        self.name = name
        self.help = help
        self.kind = kind
        self.labels = labels
    }

    private static func isName(_ text: String) -> Bool {
        text.wholeMatch(of: /[a-zA-Z_][a-zA-Z0-9_]*/) != nil
    }
}

/// One value of a metric.
public struct MetricSample: Sendable, Equatable {
    /// The values of the family's labels, in their order.
    public let labels: [String]
    /// The value, in the base unit of the family's name.
    public let value: Double

    /// Takes a value.
    public init(_ labels: [String] = [], _ value: Double) {
        self.labels = labels
        self.value = value
    }
}

/// Families with their samples, to be written as text.
public struct MetricsText: Sendable {
    private var families: [String: (family: MetricFamily, samples: [MetricSample])] = [:]

    /// Starts without samples.
    public init() {}

    /// Adds samples of a family. A value that is not finite is left out: the format could express it, but sums with it
    /// would be lost. Each sample has as many labels as the family.
    public mutating func add(_ family: MetricFamily, _ samples: [MetricSample]) {
        for sample in samples {
            precondition(sample.labels.count == family.labels.count, "labels of \(family.name)")
        }
        let finite = samples.filter(\.value.isFinite)
        if finite.isEmpty { return }
        families[family.name, default: (family, [])].samples += finite
    }

    /// Adds one sample.
    public mutating func add(_ family: MetricFamily, _ labels: [String] = [], _ value: Double) {
        add(family, [MetricSample(labels, value)])
    }

    /// The names of the families that have samples.
    public var names: Set<String> { Set(families.keys) }

    /// The text: families sorted by name, samples by their labels, and each sample once. Of two samples with the same
    /// labels the later one counts.
    public var text: String {
        families.keys.sorted().map { name in
            guard let (family, samples) = families[name] else { return "" }
            var values: [String: Double] = [:]
            for sample in samples { values[Self.labels(family, sample)] = sample.value }
            let lines = values.sorted { $0.key < $1.key }.map {
                "\(name)\($0.key) \(Self.number($0.value))\n"
            }
            return "# HELP \(name) \(Self.escaped(family.help, quotes: false))\n"
                + "# TYPE \(name) \(family.kind.rawValue)\n" + lines.joined()
        }.joined()
    }

    private static func labels(_ family: MetricFamily, _ sample: MetricSample) -> String {
        if family.labels.isEmpty { return "" }
        let pairs = zip(family.labels, sample.labels).map {
            "\($0)=\"\(escaped($1, quotes: true))\""
        }
        return "{\(pairs.joined(separator: ","))}"
    }

    /// Escapes a text as the format requires; other control characters, which a terminal would interpret, become `\u{FFFD}`.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            case _ where scalar.properties.generalCategory == .control: escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// The shortest decimal that reads back as the same number; whole numbers without a fraction.
    static func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) <= 1e15 { return String(Int64(value)) }
        return "\(value)"
    }
}
