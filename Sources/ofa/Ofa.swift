// The `ofa` command. This file lists the subcommands; each has a file of its own.
import ArgumentParser
import Foundation

/// The whole command line.
@main
struct Ofa: ParsableCommand {
    /// The name, the help and an example.
    static let configuration = CommandConfiguration(
        commandName: "ofa",
        abstract: "Once-for-all networks: train one supernet, cut a network for every device.",
        discussion: """
            Every command takes --json, for scripts, and --help, with an example. Exit codes: 0 done, 1 failed, \
            2 not found or not true, 64 usage; 130 after a second Ctrl-C. With --json an error is the last line of standard error: \
            {"error":{"code","message","remedy"}}; a field without a value is null.

            Answers fit the terminal: the least important columns are left out, long texts are cut or broken. Files and \
            pipes get the full width; COLUMNS=80 sets another.

            Shell completion: ofa --generate-completion-script bash > /etc/bash_completion.d/ofa (also zsh, fish).
            """,
        version: Version().text,
        subcommands: [
            RunCommand.self,
            EnqueueCommand.self,
            WorkerCommand.self,
            StatusCommand.self,
            ServeCommand.self,
            ReportCommand.self,
            PlotCommand.self,
            CancelCommand.self,
            JobsCommand.self,
            JobCommand.self,
            QueueCommand.self,
            ActionsCommand.self,
            DeviceCommand.self,
            HostCommand.self,
            SpecializeCommand.self,
            SearchCommand.self,
            PredictorCommand.self,
            ArchCommand.self,
            SpaceCommand.self,
            ArtifactsCommand.self,
            ImportCommand.self,
            ExportCommand.self,
            EvaluateCommand.self,
            ClassifyCommand.self,
            DatasetCommand.self,
            GCCommand.self,
            LineageCommand.self,
            ReproduceCommand.self,
            CostCommand.self,
            BudgetCommand.self,
            FactorsCommand.self,
            DoctorCommand.self,
            DatabaseCommand.self,
            ManualCommand.self,
        ])
}

extension Ofa {
    /// Parses the command line, runs the command and ends with the command's exit code.
    static func main() {
        holdStandardDescriptors()
        // Words after `--` are arguments, not options.
        let asJSON = CommandLine.arguments.prefix { $0 != "--" }.contains("--json")
        do {
            let arguments = ArgumentGate.asksForHelp(try ArgumentGate.arguments())
            try LogFormat.choose(arguments)
            if Set(arguments) == ["--version", "--json"] { return try Output.json(Version()) }
            // The commands listed here report problems of the environment themselves, or do not depend on the
            // environment.
            if !["doctor", "--version", "---completion"].contains(arguments.first) {
                try Environment.check()
            }
            var command = try parseAsRoot(arguments)
            try command.run()
        } catch let error where exitCode(for: error) == .failure && !(error is ExitCode) {
            Output.failure(
                ErrorDocument(error), people: "Error: \(Output.describe(error))", asJSON: asJSON)
            exit(withError: Output.exitCode(of: error))
        } catch let error where exitCode(for: error) == .validationFailure {
            Output.failure(
                ErrorDocument(usage: error), people: UsageText.plain(fullMessage(for: error)),
                asJSON: asJSON)
            exit(withError: ExitCode.validationFailure)
        } catch {
            // The error stands for a help text, the version, or an exit code whose reason was already printed.
            if !(error is ExitCode), exitCode(for: error) == .success { sayHelp(error, asJSON) }
            exit(withError: error)
        }
    }

    /// Prints a help text or the version, and ends the process.
    private static func sayHelp(_ error: any Error, _ asJSON: Bool) {
        let text = fullMessage(for: error)
        do { try asJSON ? Output.json(["help": text]) : Output.lines(text) } catch {
            Output.failure(
                ErrorDocument(error), people: "Error: \(Output.describe(error))", asJSON: asJSON)
            exit(withError: ExitCode.failure)
        }
        exit(withError: ExitCode.success)
    }

    /// Opens /dev/null, read-only, in place of each closed standard descriptor. Otherwise the next opened file or
    /// socket would get the descriptor's number and receive this program's output.
    private static func holdStandardDescriptors() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            _ = open("/dev/null", O_RDONLY)
        }
    }
}
