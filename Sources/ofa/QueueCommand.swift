// `ofa queue`: lists, pauses and resumes queues; the other subcommands have their own files.

import ArgumentParser
import Jobs

/// The commands about queues, permits, recurring runs and history.
struct QueueCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Queues and their limits.",
        discussion: "Example:\n  ofa queue pause\n  ofa queue resume\n  ofa queue limit gpu 2",
        subcommands: [
            QueueList.self, QueuePause.self, QueueResume.self, QueuePermits.self, QueueLimit.self,
            QueueRecurring.self, QueueHistory.self, QueueRetention.self, QueueAudit.self,
        ],
        defaultSubcommand: QueueList.self)

    /// Prints the queues that hold jobs or are paused.
    static func show(_ queue: JobQueue, _ output: OutputOptions) throws {
        let queues = try queue.queues()
        try Output.answer(queues.map(Document.init), output) {
            var table = Table(
                .text("QUEUE"), .text("PAUSED"), .number("AVAILABLE"),
                .number("QUARANTINED", .medium),
                .number("SCHEDULED", .low), .number("RETRYABLE", .low), .number("RUNNING"))
            table.rows = queues.map { queue in
                [
                    queue.name, queue.isPaused ? "yes" : "no", String(queue.available),
                    String(queue.quarantined), String(queue.scheduled), String(queue.retryable),
                    String(queue.running),
                ]
            }
            try Output.table(table)
        }
    }

    private struct Document: Encodable {
        let name: String
        let paused: Bool
        let available, quarantined, scheduled, retryable, running: Int

        init(_ queue: QueueSummary) {
            name = queue.name
            paused = queue.isPaused
            available = queue.available
            quarantined = queue.quarantined
            scheduled = queue.scheduled
            retryable = queue.retryable
            running = queue.running
        }
    }
}

/// Lists the queues.
struct QueueList: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the queues that hold jobs or are paused.",
        discussion: """
            QUARANTINED counts the available jobs on which workers crashed: each is run alone.

            Example:
              ofa queue list --json
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the queues.
    mutating func run() throws {
        try QueueCommand.show(JobQueue(try database.connectToExisting()), output)
    }
}

/// Pauses a queue.
struct QueuePause: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stops claims from a queue; running jobs continue.",
        discussion: "Example:\n  ofa queue pause")

    /// The queue.
    @Argument(help: "The queue's name.", completion: .queues) var name = "default"
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid names.
    mutating func validate() throws {
        name = try ArgumentGate.name(name, "the queue's name")
    }

    /// Pauses the queue and prints the queues.
    mutating func run() throws {
        let queue = JobQueue(try database.connect())
        try queue.pause(queue: name)
        try QueueCommand.show(queue, output)
    }
}

/// Resumes a queue.
struct QueueResume: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Allows claims from a paused queue again.",
        discussion: "Example:\n  ofa queue resume")

    /// The queue.
    @Argument(help: "The queue's name.", completion: .queues) var name = "default"
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid names.
    mutating func validate() throws {
        name = try ArgumentGate.name(name, "the queue's name")
    }

    /// Resumes the queue and prints the queues.
    mutating func run() throws {
        let queue = JobQueue(try database.connect())
        try queue.resume(queue: name)
        try QueueCommand.show(queue, output)
    }
}
