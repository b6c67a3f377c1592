// SharedPages: pages rendered at most once a second, whatever the number of browsers that watch them.

import Artifacts
import Foundation

/// A page as it is sent.
struct RenderedPage: Sendable {
    /// The page.
    let page: Page
    /// The markup of the page's `main` element.
    let main: String
    /// The beginning of the markup's digest, which tells whether the page has changed.
    let version: String

    init(_ page: Page) {
        self.page = page
        main = page.body.text
        version = String(Digest.of(Array(main.utf8)).short)
    }
}

/// Renders each address at most once a second; requests that come meanwhile share the result.
actor SharedPages {
    private struct Entry {
        let at: ContinuousClock.Instant
        let task: Task<RenderedPage, any Error>
    }

    private var entries: [String: Entry] = [:]
    private let clock = ContinuousClock()
    /// How long a page is as good as new.
    private static let age = Duration.seconds(1)
    private static let most = 256

    /// Returns the page at `target`, rendered by `make` unless that was done within the last second.
    func page(
        _ target: String, _ make: @escaping @Sendable () async throws -> RenderedPage
    ) async throws -> RenderedPage {
        let now = clock.now
        if let entry = entries[target], now - entry.at < Self.age {
            return try await entry.task.value
        }
        if entries.count >= Self.most {
            entries = entries.filter { now - $0.value.at < Self.age }
        }
        let task = Task { try await make() }
        entries[target] = Entry(at: now, task: task)
        return try await task.value
    }

    /// Forgets every page, after something was changed.
    func forget() { entries = [:] }
}
