// DatasetSource: a data set on disk, in one of four forms. A survey lists the classes, the parts
// and the import units without decoding pictures. Reading a unit gives its samples one by one.

/// The forms of data sets that can be imported.
public enum DatasetForm: String, Sendable, Codable, CaseIterable {
    /// A folder for each class, below `train`, `val` and `test` or directly in the root.
    case imageFolder = "image-folder"
    /// Tar archives, plain or gzip. Members whose names are equal up to the first dot make one
    /// sample.
    case webDataset = "webdataset"
    /// The binary version of CIFAR-10 or CIFAR-100, a folder or its archive.
    case cifar
    /// The four files of the MNIST family.
    case idx
}

/// The parts of a data set.
public enum DatasetPart: String, Sendable, Codable, CaseIterable {
    /// Pictures to train on.
    case train
    /// Pictures to measure accuracy on while models are chosen.
    case val
    /// Pictures for the final measurement.
    case test
}

/// How a source is surveyed and read.
public struct SourceOptions: Sendable, Equatable, Codable {
    /// Splits data sets without parts into `train` and `val`.
    public var split = HashSplit(heldOut: 0.1, seed: 0)
    /// The most samples of an import unit. A class of more than 64 × `unitSamples` files gets larger units.
    public var unitSamples = 1024
    /// The most bytes of a picture's file.
    public var mostPictureBytes = 64 << 20
    /// The number of classes of an IDX data set; nil means that the labels determine it.
    public var classes: Int?

    /// The default options.
    public init() {}

    /// The most classes of a data set.
    public static let mostClasses = 65_536
    /// The number of bytes that are read of a file that is neither JPEG nor PNG; they suffice to recognise its format.
    static let foreignBytes = 4096
}

/// A sample: a picture file or pixels, with the class.
public struct SourceSample: Sendable, Equatable {
    /// The content of a sample.
    public enum Content: Sendable, Equatable {
        /// The bytes of a picture's file, never empty. If the file is neither JPEG nor PNG, only
        /// its first 4,096 bytes: enough to name the format when the file is refused.
        case encoded([UInt8])
        /// Pixels of shape (height, width, channels).
        case pixels(height: Int, width: Int, channels: Int, [UInt8])

        /// The bytes of the file or of the pixels.
        var bytes: [UInt8] {
            switch self {
            case .encoded(let bytes), .pixels(_, _, _, let bytes): bytes
            }
        }
    }

    /// The file, relative to the data set's root.
    public let file: ByteName
    /// Identifies the sample: a path below the part's folder, a key in an archive, or the number of
    /// a record.
    public let key: ByteName
    /// The part to which the sample belongs.
    public let part: DatasetPart
    /// The index of the sample's class.
    public let classIndex: Int
    /// The picture file or the pixels.
    public let content: Content

    /// The name for messages: the file, and the key if the file contains several samples.
    public var name: ByteName { SourceEvent.name(file, key) }
}

/// What a source reports when it is surveyed or read.
public enum SourceEvent: Sendable, Equatable {
    /// A sample.
    case sample(SourceSample)
    /// Something that should be a sample but cannot be read.
    case refused(Notice)
    /// Something that is no sample.
    case ignored(Notice)

    /// What was refused or ignored, and why.
    public struct Notice: Sendable, Equatable {
        /// The file, relative to the data set's root.
        public let file: ByteName
        /// The key of the sample in its file; empty if the file itself is meant.
        public let key: ByteName
        /// The reason, without the name.
        public let reason: String

        /// The name for messages.
        public var name: ByteName { SourceEvent.name(file, key) }
    }

    static func refused(_ file: ByteName, key: ByteName = ByteName(""), _ reason: String) -> Self {
        .refused(Notice(file: file, key: key, reason: reason))
    }

    static func ignored(_ file: ByteName, key: ByteName = ByteName(""), _ reason: String) -> Self {
        .ignored(Notice(file: file, key: key, reason: reason))
    }

    /// The name for messages: only the file, as in `a/b.jpg`, if the key is empty or the end of the
    /// file's path; otherwise file and key, as in `a.tar: 0001`.
    static func name(_ file: ByteName, _ key: ByteName) -> ByteName {
        if key.bytes.isEmpty || file == key { return file }
        let end = [UInt8(ascii: "/")] + key.bytes
        if file.bytes.reversed().starts(with: end.reversed()) { return file }
        return ByteName(file.bytes + Array(": ".utf8) + key.bytes)
    }
}

/// Receives events in a fixed order. If it throws an error, reading ends.
public typealias SourceVisitor = (SourceEvent) throws -> Void

/// A data set in one of the four forms.
public protocol DatasetSource: Sendable {
    /// The form.
    var form: DatasetForm { get }

    /// Lists classes, parts and import units. In the forms that may hold any files, folders of
    /// images and WebDataset, calls `visit` with every file and folder that is ignored or cannot be
    /// listed, but not with samples.
    ///
    /// Errors: `DatasetError`, and what `visit` throws.
    func survey(_ visit: SourceVisitor) throws -> DatasetSurvey

    /// Reads one import unit. Calls `visit` with the samples, in the order of files and names, and
    /// with what is refused or ignored. `classes` are the classes of the survey.
    ///
    /// Errors: `DatasetError` if the unit's folder, archive or data file cannot be read or has
    /// changed after the survey; what `visit` throws. A unit that fails must be read again from its
    /// start.
    func read(_ unit: ImportUnit, classes: [ByteName], _ visit: SourceVisitor) throws
}

extension DatasetSource {
    /// Surveys the data set without reporting ignored files.
    public func survey() throws -> DatasetSurvey { try survey { _ in } }
}
