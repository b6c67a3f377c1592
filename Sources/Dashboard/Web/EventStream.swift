// EventStream: the server-sent events of one browser that watches a page.

import Foundation
import Synchronization

/// The events of one watched page: its markup whenever it has changed. The library asks for the next event once the
/// browser has taken the one before, so a slow browser misses versions and holds up nobody.
final class EventStream: Sendable {
    private struct State {
        var version: String
        /// Whether the browser has the last version of a page that no longer changes.
        var isLast = false
        /// Whether the browser was told so.
        var isOver = false
    }

    private let state: Mutex<State>
    private let page: @Sendable () async throws -> RenderedPage
    private let isStopping: @Sendable () -> Bool
    /// How often a browser hears something at least, so that a lost connection is noticed.
    private static let silence = 15

    /// Makes a stream. `seen` is the version that the browser has.
    init(
        seen: String, isStopping: @escaping @Sendable () -> Bool,
        page: @escaping @Sendable () async throws -> RenderedPage
    ) {
        state = Mutex(State(version: seen))
        self.page = page
        self.isStopping = isStopping
    }

    /// Returns the next event once there is one; nil after the last one.
    func next() async throws -> Data? {
        let (isLast, isOver) = state.withLock { state in
            defer { state.isOver = state.isLast }
            return (state.isLast, state.isOver)
        }
        if isOver { return nil }
        if isLast { return try Self.event("end", "") }
        for _ in 0..<Self.silence {
            if isStopping() { return nil }
            let rendered: RenderedPage
            do {
                rendered = try await page()
            } catch {
                // The database may come back; the browser keeps what it shows.
                try await Task.sleep(for: .seconds(1))
                continue
            }
            let isNew = state.withLock { state in
                defer { state.version = rendered.version }
                state.isLast = !rendered.page.isLive
                return state.version != rendered.version
            }
            if isNew { return try Self.event("page", rendered.main) }
            if !rendered.page.isLive { return try await next() }
            try await Task.sleep(for: .seconds(1))
        }
        return Data(": still here\n\n".utf8)
    }

    private static func event(_ name: String, _ markup: String) throws -> Data {
        let text = try JSONEncoder().encode(markup)
        return Data("event: \(name)\ndata: ".utf8) + text + Data("\n\n".utf8)
    }
}
