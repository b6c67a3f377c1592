// DatasetSource: a data set as it lies on the disk, in one of four forms. A survey names classes,
// parts and units of work without decoding a picture; reading a unit gives its samples one by one.

/// The forms in which data sets come.
public enum DatasetForm: String, Sendable, Codable, CaseIterable {
    /// A folder for each class, below `train`, `val` and `test` or directly in the root.
    case imageFolder = "image-folder"
    /// Tar archives, plain or gzip; members with one name make a sample.
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
    /// The most samples of a unit; folders of more than 64 times as many give larger units.
    public var unitSamples = 1024
    /// The most bytes of a picture's file.
    public var mostPictureBytes = 64 << 20
    /// The number of classes of an IDX data set; nil: what its labels show.
    public var classes: Int?

    /// The usual options.
    public init() {}

    /// The most classes of a data set.
    public static let mostClasses = 65_536
    /// What is kept of a file that is neither JPEG nor PNG: enough to name its format.
    static let foreignBytes = 4096
}

/// A picture or a row of pixels with its class.
public struct SourceSample: Sendable, Equatable {
    /// What a sample holds.
    public enum Content: Sendable, Equatable {
        /// The bytes of a picture's file, never empty. Of a file that is neither JPEG nor PNG only
        /// the first 4,096 bytes: enough to name the format in the refusal.
        case encoded([UInt8])
        /// Pixels as (height, width, channels).
        case pixels(height: Int, width: Int, channels: Int, [UInt8])

        /// The bytes of either.
        var bytes: [UInt8] {
            switch self {
            case .encoded(let bytes), .pixels(_, _, _, let bytes): bytes
            }
        }
    }

    /// The file, relative to the data set's root.
    public let file: ByteName
    /// The sample within its part: a path below the part's folder, a key of an archive, or the
    /// number of a record.
    public let key: ByteName
    /// The part it belongs to.
    public let part: DatasetPart
    /// The index of its class.
    public let classIndex: Int
    /// The picture.
    public let content: Content

    /// The place for messages: the file, and the key if the file holds several samples.
    public var name: ByteName { SourceEvent.name(file, key) }
}

/// What reading a source tells.
public enum SourceEvent: Sendable, Equatable {
    /// A sample.
    case sample(SourceSample)
    /// Something that should be a sample and cannot be one.
    case refused(Notice)
    /// Something that is no sample.
    case ignored(Notice)

    /// A name and what is to be said of it.
    public struct Notice: Sendable, Equatable {
        /// The file, relative to the data set's root.
        public let file: ByteName
        /// The key of the sample in its file; empty if the file itself is meant.
        public let key: ByteName
        /// Why, without the name.
        public let reason: String

        /// The place for messages.
        public var name: ByteName { SourceEvent.name(file, key) }
    }

    static func refused(_ file: ByteName, key: ByteName = ByteName(""), _ reason: String) -> Self {
        .refused(Notice(file: file, key: key, reason: reason))
    }

    static func ignored(_ file: ByteName, key: ByteName = ByteName(""), _ reason: String) -> Self {
        .ignored(Notice(file: file, key: key, reason: reason))
    }

    /// `a/b.jpg` if the key is the end of the file's path or empty, otherwise `a.tar: 0001`.
    static func name(_ file: ByteName, _ key: ByteName) -> ByteName {
        if key.bytes.isEmpty || file == key { return file }
        let end = [UInt8(ascii: "/")] + key.bytes
        if file.bytes.reversed().starts(with: end.reversed()) { return file }
        return ByteName(file.bytes + Array(": ".utf8) + key.bytes)
    }
}

/// Receives events in a stated order; what it throws ends the reading.
public typealias SourceVisitor = (SourceEvent) throws -> Void

/// A data set in one of the four forms.
public protocol DatasetSource: Sendable {
    /// The form.
    var form: DatasetForm { get }

    /// Lists classes, parts and units. What is ignored and what cannot be listed is also told to
    /// `visit` one by one; samples are not.
    ///
    /// Errors: `DatasetError`, and what `visit` throws.
    func survey(_ visit: SourceVisitor) throws -> DatasetSurvey

    /// Reads one unit: samples in the order of their files and names, and what is refused or
    /// ignored among them. `classes` are those of the survey.
    ///
    /// Errors: `DatasetError` if the file as a whole cannot be read or is not as it was surveyed;
    /// what `visit` throws. A unit that fails must be read again from its start.
    func read(_ unit: ImportUnit, classes: [ByteName], _ visit: SourceVisitor) throws
}

extension DatasetSource {
    /// Surveys without hearing of single files.
    public func survey() throws -> DatasetSurvey { try survey { _ in } }
}
