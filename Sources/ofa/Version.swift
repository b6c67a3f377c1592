// `ofa --version`: which program this is, from which commit, with which kernels.
import CBuild
import Tensors

/// What `ofa --version` answers.
struct Version: Encodable {
    /// The number of the release.
    let version: String
    /// The first twelve digits of the commit; nil where it was built without git.
    let commit: String?
    /// Whether files differed from the commit; nil where that is not known.
    let dirty: Bool?
    /// The kernels in use; nil where OFA_ISA names none of this machine's.
    let instruction_set: String?

    /// Describes this program.
    init() {
        let built = String(cString: ofa_build_commit())
        let isKnown = built != "unknown"
        version = "0.1.0"
        commit = isKnown ? built.split(separator: "-").first.map(String.init) : nil
        dirty = isKnown ? built.hasSuffix("-dirty") : nil
        do { instruction_set = try InstructionSet.fromEnvironment().description } catch {
            // The version can be told all the same; what uses kernels will say what is wrong.
            instruction_set = nil
        }
    }

    /// `ofa 0.1.0, commit 0123456789ab (changed since), avx2`.
    var text: String {
        let change = dirty == true ? " (with changes)" : ""
        return "ofa \(version), commit \(commit ?? "unknown")\(change), "
            + (instruction_set ?? "no such instruction set here: see OFA_ISA")
    }
}
