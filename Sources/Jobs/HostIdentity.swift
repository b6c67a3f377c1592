// HostIdentity: a stable identity of the machine. The host name is neither stable nor unique: a
// container gets a new name at each start, and two boards may have the same name.
import Foundation
import Intake

/// The machine that a worker runs on.
public struct HostIdentity: Sendable, Equatable {
    /// The unique identity of the machine.
    public let identity: String
    /// The host name of the machine.
    public let name: String

    /// This machine.
    public static let current = HostIdentity(
        environment: ProcessInfo.processInfo.environment, name: ProcessInfo.processInfo.hostName,
        read: { FileManager.default.contents(atPath: $0) })

    /// The GPUs of this machine, which are metered as a machine of their own.
    var gpus: HostIdentity { HostIdentity(identity: "\(identity) gpus", name: "\(name) (GPUs)") }

    private init(identity: String, name: String) {
        (self.identity, self.name) = (identity, name)
    }

    /// The identity is OFA_HOST if that variable is set, else the machine id, else the boot id,
    /// else the host name. In a container the machine id is not used: it comes with the container's
    /// image, and may be the same on all machines. All containers of a machine have the same boot
    /// id.
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
