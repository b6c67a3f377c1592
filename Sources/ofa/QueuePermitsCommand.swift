// `ofa queue permits` and `ofa queue limit`: show and set how many jobs may use a device, a licence or a GPU at once.

import ArgumentParser
import Jobs

/// Lists the concurrency keys and the jobs that hold their permits.
struct QueuePermits: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "permits",
        abstract: "Lists concurrency keys with limits and holders.",
        discussion: """
            A stage names its key in the pipeline file (key: gpu). A key has one permit unless ofa queue limit sets \
            another number.

            Example:
              ofa queue permits --json
            """)

    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the keys.
    mutating func run() throws { try Self.show(JobQueue(try database.connectToExisting()), output) }

    /// Prints the keys with their limits and holders.
    static func show(_ queue: JobQueue, _ output: OutputOptions) throws {
        let permits = try queue.permits()
        try Output.answer(permits, output) {
            var table = Table(
                .text("KEY"), .number("PERMITS"), .number("HELD"), .text("JOBS", .medium))
            table.rows = permits.map { permit in
                [
                    permit.key, String(permit.slots), String(permit.held),
                    permit.jobs.map(String.init).joined(separator: " "),
                ]
            }
            try Output.table(table)
        }
    }
}

/// Sets the limit of a key.
struct QueueLimit: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "limit",
        abstract: "Sets how many jobs may hold a key at once; running jobs continue.",
        discussion: """
            With 0 no job with that key starts. An unknown key is created.

            Example:
              ofa queue limit gpu 2
            """)

    /// The key.
    @Argument(help: "The key's name.", completion: .keys) var key: String
    /// The limit.
    @Argument(
        help: "How many jobs may hold it at once, 0 to 100000.",
        transform: Number.whole(0...100_000))
    var slots: Int
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Refuses invalid names.
    mutating func validate() throws {
        key = try ArgumentGate.name(key, "the key")
    }

    /// Sets the limit and prints the keys.
    mutating func run() throws {
        let queue = JobQueue(try database.connect())
        try queue.setPermits(key: key, slots: slots)
        try QueuePermits.show(queue, output)
    }
}
