// The door: one binary, `ofa`. One file per subcommand; this one lists them.
import ArgumentParser

/// The whole command line.
@main
struct Ofa: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "ofa",
        abstract: "Once-for-all networks: train one supernet, cut a network for every device.",
        discussion: """
            Every command takes --json, for scripts, and --help, with an example. Exit codes: 0 done, 1 failed, \
            2 not found or not true, 64 usage.

            Shell completion: ofa --generate-completion-script bash > /etc/bash_completion.d/ofa (also zsh, fish).
            """,
        subcommands: [
            RunCommand.self,
            EnqueueCommand.self,
            WorkerCommand.self,
            StatusCommand.self,
            ReportCommand.self,
            CancelCommand.self,
            JobsCommand.self,
            JobCommand.self,
            QueueCommand.self,
            DeviceCommand.self,
            SpecializeCommand.self,
            SearchCommand.self,
            PredictorCommand.self,
            ArchCommand.self,
            SpaceCommand.self,
            ArtifactsCommand.self,
            LineageCommand.self,
            CostCommand.self,
            DoctorCommand.self,
            DatabaseCommand.self,
        ])
}
