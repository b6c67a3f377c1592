// `ofa --version`: prints the release, the commit and the instruction set of the kernels.
import CBuild
import Pipelines
import Tensors

/// The answer of `ofa --version`.
struct Version: Encodable {
    /// The release number.
    let version: String
    /// The first twelve digits of the commit; nil if built without git.
    let commit: String?
    /// Whether the work tree had changes; nil if unknown.
    let dirty: Bool?
    /// The instruction set in use; nil if OFA_ISA is invalid on this machine.
    let instruction_set: String?

    /// Reads the commit compiled in, and the instruction set in use.
    init() {
        let built = String(cString: ofa_build_commit())
        let isKnown = built != "unknown"
        version = "0.1.0"
        commit = isKnown ? built.split(separator: "-").first.map(String.init) : nil
        dirty = isKnown ? built.hasSuffix("-dirty") : nil
        do { instruction_set = try InstructionSet.fromEnvironment().description } catch {
            // The version is printed all the same; commands that use kernels report the error.
            instruction_set = nil
        }
    }

    /// The version that is recorded with artifacts.
    var code: CodeVersion { CodeVersion(release: version, commit: commit, dirty: dirty) }

    /// The answer as text, such as `ofa 0.1.0, commit 0123456789ab (with changes), avx2`.
    var text: String {
        let change = dirty == true ? " (with changes)" : ""
        return "ofa \(version), commit \(commit ?? "unknown")\(change), "
            + (instruction_set ?? "no such instruction set here: see OFA_ISA")
    }
}
