// Reads files whose paths come from users: only regular files up to a size limit. Errors contain
// the message of the operating system, not that of a library.

import Foundation

/// Reads files whose paths come from users.
public enum FileBytes {
    /// The default size limit of a file.
    public static let mostBytes = 8 << 30

    /// Returns all bytes of the file `path`. Throws an `InputFault` if the file is missing, not
    /// regular, unreadable or larger than `limit`. The reason of the fault is a sentence without
    /// its subject, such as `is a folder`.
    public static func read(_ path: String, atMost limit: Int = mostBytes) throws(InputFault)
        -> [UInt8]
    {
        var status = stat()
        // Only regular files are read, because a pipe could block and a device might never end.
        guard stat(path, &status) == 0 else {
            throw InputFault("cannot be read: \(reason(errno))")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw InputFault("is a folder", remedy: "name a file")
        default:
            throw InputFault(
                "is no regular file", remedy: "name a file: pipes and devices are not read")
        }
        guard status.st_size <= limit else {
            throw InputFault("has \(status.st_size) bytes; at most \(limit) are read")
        }
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            // The file may have grown since the check of its size.
            let bytes = [UInt8](try file.read(upToCount: limit + 1) ?? Data())
            guard bytes.count <= limit else { throw InputFault("has more than \(limit) bytes") }
            return bytes
        } catch let fault as InputFault {
            throw fault
        } catch {
            throw InputFault("cannot be read: \(reason(error))")
        }
    }

    /// Returns the system's message for an `errno`, such as `No space left on device`.
    public static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// Returns the system's message in an error that Foundation wrapped.
    public static func reason(_ error: any Error) -> String {
        var known: NSError? = error as NSError
        while let one = known {
            if one.domain == NSPOSIXErrorDomain {
                return reason(Int32(truncatingIfNeeded: one.code))
            }
            known = one.userInfo[NSUnderlyingErrorKey] as? NSError
        }
        switch (error as? CocoaError)?.code {
        case .fileWriteOutOfSpace?: return reason(ENOSPC)
        case .fileNoSuchFile?, .fileReadNoSuchFile?: return reason(ENOENT)
        case .fileReadNoPermission?, .fileWriteNoPermission?: return reason(EACCES)
        case .fileWriteFileExists?: return reason(EEXIST)
        case .fileWriteVolumeReadOnly?: return reason(EROFS)
        case .fileReadUnknownStringEncoding?, .fileReadInapplicableStringEncoding?,
            .fileReadCorruptFile?:
            return "it is not text in UTF-8"
        case nil: return "\(error)"
        default: return "the system refused it"
        }
    }
}
