// The door: one binary, `ofa`. One file per subcommand; this one lists them.
import ArgumentParser

@main
struct Ofa: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ofa",
        abstract: "Once-for-all networks: train one supernet, cut a network for every device.")
}
