// FleetMetrics: the metrics of the whole fleet, read from the database in one round trip.

import Foundation
import Postgres
import Schema
import Synchronization

/// Reads the metrics of a database. A text is used for up to a second, so that several scrapers read the database as often as
/// one. The ledgers, whose size does not depend on the queue, are read in a smaller part of the time.
public final class FleetMetrics: Sendable {
    /// How long a text is used, in seconds.
    static let freshSeconds = 1.0
    /// The largest part of the time that may be spent reading the ledgers.
    static let ledgerShare = 0.02

    private struct Reading {
        var samples: [String: [MetricSample]] = [:]
        var seconds = 0.0
        var at = -Double.infinity
    }

    private struct State {
        var queue = Reading(), ledger = Reading()
        var text = ""
    }

    private let state = Mutex(State())
    private let clock: @Sendable () -> Double

    /// Starts without a reading.
    public convenience init() {
        let start = ContinuousClock.now
        self.init {
            let passed = (ContinuousClock.now - start).components
            return Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
        }
    }

    /// `clock` returns monotonic seconds.
    init(clock: @escaping @Sendable () -> Double) { self.clock = clock }

    /// Returns the metrics as text, at most a second old. The role of `connection` needs no more than to read. Callers wait for
    /// each other, so that of several at once one reads. Errors: those of the database.
    public func text(_ connection: Connection) throws -> String {
        try state.withLock { state in
            let began = clock()
            if began - state.queue.at < Self.freshSeconds { return state.text }
            if began - state.ledger.at >= state.ledger.seconds / Self.ledgerShare {
                state.ledger = try read(connection, .metricsLedger)
            }
            state.queue = try read(connection, .metricsQueue)
            state.text = render(state)
            return state.text
        }
    }

    private func read(_ connection: Connection, _ statement: Statement) throws -> Reading {
        let began = clock()
        // The settings of the first statement end with the transaction.
        let rows = try connection.transactionPipeline([Request(.metricsPlan), Request(statement)])
        var reading = Reading()
        for row in rows.last ?? [] {
            let sample = MetricSample(try row.textArray("labels"), try row.double("value"))
            reading.samples[try row.text("metric"), default: []].append(sample)
        }
        reading.at = clock()
        reading.seconds = reading.at - began
        return reading
    }

    private func render(_ state: State) -> String {
        var text = MetricsText()
        for samples in [state.queue.samples, state.ledger.samples] {
            for (key, samples) in samples {
                guard let family = Self.families[key] else {
                    preconditionFailure("\(key) of sql/queries/metrics.sql has no family")
                }
                text.add(family, samples)
            }
        }
        if let read = Self.families["read"], let age = Self.families["ledger_age"] {
            text.add(read, ["queue"], state.queue.seconds)
            text.add(read, ["ledger"], state.ledger.seconds)
            text.add(age, [], state.queue.at - state.ledger.at)
        }
        return text.text
    }
}
