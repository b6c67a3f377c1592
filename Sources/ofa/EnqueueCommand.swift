// `ofa enqueue`: puts a pipeline into the queue and leaves the work to workers.

import ArgumentParser

/// Enqueues a pipeline.
struct EnqueueCommand: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "enqueue",
        abstract: "Enqueue a pipeline and print its run; workers do the rest.",
        discussion: """
            The file is checked as by ofa run. While a run of the same file is unfinished, that one is printed.

            Example:
              ofa enqueue pipelines/fashion-mnist-quick.yaml
              ofa worker --until-idle
            """)

    /// The file.
    @OptionGroup var pipeline: PipelineOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    /// Prints the run's number, and nothing else on standard output.
    mutating func run() throws {
        let checked = try pipeline.checked()
        let enqueued = try checked.enqueue(try database.connect())
        enqueued.note()
        try Output.answer(enqueued, output) { try Output.line(String(enqueued.run)) }
    }
}
