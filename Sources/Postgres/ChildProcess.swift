// ChildProcess: runs a PostgreSQL tool until it ends. Arguments are passed as an array and never
// interpreted by a shell. The output goes to a file and not to a pipe, because the server that
// pg_ctl leaves behind would inherit the pipe and never close it. Foundation's Process cannot be
// used: it gives the child a socket of its own and waits until the socket is closed.
import Foundation

/// Runs PostgreSQL's tools, if necessary as another user, because some of these tools refuse to run
/// as root.
public struct ChildProcess: Sendable {
    /// The outcome of a finished process.
    public struct Outcome: Sendable {
        /// The exit code of the process; 128 plus the number of the signal if a signal ended it.
        public let exitCode: Int
        /// The text that the process wrote to standard output and standard error.
        public let output: String
    }

    /// The user that tools run as; nil for the user of this process.
    public var user: SystemUser?

    /// Extra variables for the environment of the child. It also inherits the variables of this
    /// process, except PG* and OFA_DATABASE_URL.
    public var environment: [String: String]

    /// Without `user`, tools run as the user of this process.
    public init(user: SystemUser? = nil, environment: [String: String] = [:]) {
        self.user = user
        self.environment = environment
    }

    /// Runs a program until it ends; returns its exit code and output. `arguments` begins with the
    /// program; `folder` is its working folder.
    ///
    /// `input` and `outputFile` are paths. Without `input`, standard input is empty; without
    /// `outputFile`, standard output is returned.
    public func run(
        _ arguments: [String], folder: String? = nil, input: String? = nil,
        outputFile: String? = nil
    ) throws -> Outcome {
        // The folder and the command are arguments of this constant script, so no text is
        // interpolated into it.
        let entering =
            folder.map { ["sh", "-c", "cd -- \"$1\" && shift && exec \"$@\"", "sh", $0] } ?? []
        let command = try entering + prefix() + arguments
        guard let program = ExecutableSearch.find(command[0]) else {
            throw PostgresError(
                "there is no program \(command[0])", remedy: "Install it, or correct PATH.")
        }
        let (log, logPath) = try Self.temporaryFile()
        defer {
            unlink(logPath)
            close(log)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input ?? "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, log, 2)
        if let outputFile {
            posix_spawn_file_actions_addopen(
                &actions, 1, outputFile, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, log, 1)
        }
        // A server must not keep the files and sockets of this process open.
        for descriptor in Int32(3)..<256 {
            let flags = fcntl(descriptor, F_GETFD)
            if flags >= 0, flags & FD_CLOEXEC == 0 {
                posix_spawn_file_actions_addclose(&actions, descriptor)
            }
        }
        let process = try spawn(program, command, &actions)
        let status = try Self.wait(for: process)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: logPath))
        // In a wait status, the low seven bits are the signal, and the next eight are the exit
        // code.
        let signal = Int(status & 0x7f)
        return Outcome(
            exitCode: signal == 0 ? Int(status >> 8 & 0xff) : 128 + signal,
            output: String(decoding: bytes, as: UTF8.self))
    }

    private func spawn(
        _ program: String, _ command: [String], _ actions: inout posix_spawn_file_actions_t
    ) throws -> pid_t {
        // PG* variables are removed: users set them for other programs, but initdb and pg_ctl would
        // read them. The child gets the search path in which its program was found, because it may
        // start further programs.
        let variables = ProcessInfo.processInfo.environment
            .filter { !LibpqEnvironment.isPostgres($0.key) && $0.key != "OFA_DATABASE_URL" }
            .merging(["PATH": ExecutableSearch.searchPath().joined(separator: ":")]) { $1 }
            .merging(environment) { $1 }
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var settings: [UnsafeMutablePointer<CChar>?] =
            variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + settings { free(text) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, program, &actions, nil, &arguments, &settings)
        guard code == 0 else { throw PostgresError.system("cannot run \(command[0])", code) }
        return process
    }

    private static func wait(for process: pid_t) throws -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else {
                throw PostgresError.system("cannot wait for a child", errno)
            }
        }
        return status
    }

    /// Returns the words to put before a command so that it runs as `user`; none if this process
    /// already runs as `user`.
    private func prefix() throws -> [String] {
        guard let user, user.id != geteuid() else { return [] }
        if ExecutableSearch.find("setpriv") != nil {
            return [
                "setpriv", "--reuid=\(user.id)", "--regid=\(user.groupID)", "--clear-groups", "--",
            ]
        }
        if ExecutableSearch.find("runuser") != nil { return ["runuser", "-u", user.name, "--"] }
        if ExecutableSearch.find("su") != nil {
            return ["su", user.name, "-s", "/bin/sh", "-c", "exec \"$0\" \"$@\"", "--"]
        }
        throw PostgresError(
            "none of setpriv, runuser and su is installed, and PostgreSQL does not run as root",
            remedy: "Install util-linux, or run ofa as an ordinary user.")
    }

    private static func temporaryFile() throws -> (descriptor: Int32, path: String) {
        let folder = NSTemporaryDirectory()
        var template = Array(
            (folder + (folder.hasSuffix("/") ? "" : "/") + "ofa-output-XXXXXX").utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw PostgresError.system("cannot write in \(folder)", errno)
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return (
            descriptor,
            String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        )
    }
}

/// A user of this machine.
public struct SystemUser: Sendable, Equatable {
    /// The user number.
    public let id: uid_t
    /// The number of the user's primary group.
    public let groupID: gid_t
    /// The name of the user.
    public let name: String

    /// Finds a user by name; nil if there is none.
    public init?(named name: String) {
        guard let entry = getpwnam(name)?.pointee else { return nil }
        self.init(id: entry.pw_uid, groupID: entry.pw_gid, name: name)
    }

    /// Finds a user by number. If the system does not know the number, the name is `#` and the
    /// number.
    public init(id: uid_t) {
        if let entry = getpwuid(id)?.pointee {
            self.init(id: id, groupID: entry.pw_gid, name: String(cString: entry.pw_name))
        } else {
            self.init(id: id, groupID: id, name: "#\(id)")
        }
    }

    private init(id: uid_t, groupID: gid_t, name: String) {
        self.id = id
        self.groupID = groupID
        self.name = name
    }
}

/// Finds executable programs by name.
enum ExecutableSearch {
    /// Returns the path of a program: `name` itself if it is a path, else the first match in the
    /// search path; nil if there is none.
    static func find(_ name: String) -> String? {
        if name.contains("/") { return isExecutable(name) ? name : nil }
        return searchPath().map { $0 + "/" + name }.first(where: isExecutable)
    }

    /// Returns the folders of PATH, then the usual folders that PATH may lack in a minimal
    /// environment.
    static func searchPath() -> [String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map { String($0) }
            + ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    }

    /// Returns whether this process may execute the file.
    static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }
}

extension PostgresError {
    /// Makes the error for a failed call of the operating system, with a remedy for common causes.
    static func system(_ what: String, _ code: Int32) -> PostgresError {
        let remedy: String? =
            switch code {
            case ENOSPC, EDQUOT: "The disk is full: free some space and run the same command again."
            case EACCES, EPERM: "Check who owns the folder, or set OFA_HOME to a folder of yours."
            case EROFS:
                "The file system is read-only: set OFA_HOME to a folder that can be written."
            default: nil
            }
        return PostgresError("\(what): \(String(cString: strerror(code)))", remedy: remedy)
    }
}
