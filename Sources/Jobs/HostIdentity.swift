// HostIdentity: a stable identity of the machine. The host name is not one: a container gets a new
// name at each start, and two boards may share one.
import Foundation
import Intake

/// The machine that a worker runs on.
public struct HostIdentity: Sendable, Equatable {
    /// Its unique identity.
    public let identity: String
    /// Its host name.
    public let name: String

    /// This machine.
    public static let current = HostIdentity(
        environment: ProcessInfo.processInfo.environment, name: ProcessInfo.processInfo.hostName,
        read: { FileManager.default.contents(atPath: $0) })

    /// OFA_HOST, else the machine id. In a container the machine id is the image's, the same
    /// everywhere, so the boot id is used, which all containers of a machine share. The last resort
    /// is the host name.
    init(environment: [String: String], name: String, read: (String) -> Data?) {
        func word(_ path: String) -> String? {
            let text = read(path).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let word = text.trimmingCharacters(in: .whitespacesAndNewlines)
            return word.isEmpty || word == "uninitialized" ? nil : TextRule.kept(word, 200)
        }
        self.name = TextRule.kept(
            environment["OFA_HOST"].flatMap { $0.isEmpty ? nil : $0 } ?? name, 200)
        if let said = environment["OFA_HOST"], !said.isEmpty {
            identity = "said \(TextRule.kept(said, 200))"
            return
        }
        let isContainer =
            ["/.dockerenv", "/run/.containerenv"].contains { read($0) != nil }
            || environment["container"] != nil || environment["KUBERNETES_SERVICE_HOST"] != nil
        if !isContainer,
            let machine = word("/etc/machine-id") ?? word("/var/lib/dbus/machine-id")
        {
            identity = "machine \(machine)"
        } else if let boot = word("/proc/sys/kernel/random/boot_id") {
            identity = "boot \(boot)"
        } else {
            identity = "name \(self.name)"
        }
    }
}
