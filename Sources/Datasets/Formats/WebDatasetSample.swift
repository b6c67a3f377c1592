// WebDatasetSample: collects the members of an archive that make one sample. Only the picture and
// the label are stored. If any member has a fault, the sample is refused.
import Intake

/// Consecutive members with one key.
struct WebDatasetSample {
    /// The path of the members up to the first dot after the last slash.
    let key: ByteName
    /// Why the sample is refused; nil if no fault was found so far.
    private(set) var fault: String?
    private var fields: Set<[UInt8]> = []
    private var picture: [UInt8]?
    private var plainLabel: [UInt8]?
    private var json: [UInt8]?
    private var jsonFault: String?
    private var hasDottedPicture = false

    /// The most members of a sample.
    static let mostFields = 1000
    /// The most bytes of a member's name, which is Linux's PATH_MAX.
    static let mostNameBytes = 4096

    /// The meaning of a member's name.
    enum Name: Equatable {
        /// The member belongs to no sample, and why.
        case passed(String)
        /// The sample's key, and the field: the rest of the name after the dot, in lower case.
        case member(key: ByteName, field: [UInt8])
    }

    /// Splits a member's name into key and field.
    static func parse(_ name: ByteName) -> Name {
        let base = name.lastPart
        if base.first == UInt8(ascii: ".") { return .passed("hidden or system file") }
        if base.count > 4 && base.starts(with: "__".utf8) && base.reversed().starts(with: "__".utf8)
        {
            return .passed("entry of the archive itself")
        }
        guard let dot = base.firstIndex(of: UInt8(ascii: ".")) else {
            return .passed("name without a dot")
        }
        return .member(
            key: ByteName(name.bytes[..<dot]),
            field: base[(dot + 1)...].map(ByteName.lowered))
    }

    /// Makes a sample without members. `fault` is the reason for refusing the sample, if it is already known.
    init(key: ByteName, fault: String? = nil) {
        self.key = key
        self.fault = fault
    }

    /// Adds a member. Returns false if the member is not used: it is neither picture nor label.
    ///
    /// Errors: those of `TarReader.content`.
    mutating func add(
        _ member: TarMember, field: [UInt8], from reader: TarReader, most: Int
    ) throws(DatasetError) -> Bool {
        // After a fault, all further members of the sample are skipped.
        fault = fault ?? Self.fault(of: member)
        if fault != nil { return true }
        if !fields.insert(field).inserted { fault = "\(ByteName(field)) twice" }
        if fields.count > Self.mostFields { fault = "more than \(Self.mostFields) members" }
        if fault != nil { return true }
        if PictureNames.extensions.contains(field) {
            try takePicture(member, from: reader, most: most)
        } else if field.elementsEqual("cls".utf8) {
            guard member.size <= WebDatasetLabel.mostBytes else {
                fault = "label has \(member.size) bytes"
                return true
            }
            plainLabel = try reader.content(atMost: member.size)
        } else if field.elementsEqual("json".utf8) {
            guard member.size <= WebDatasetLabel.mostJSONBytes else {
                jsonFault = "json has \(member.size) bytes"
                return true
            }
            json = try reader.content(atMost: member.size)
        } else {
            if let ending = ByteName.fileExtension(field[...]),
                PictureNames.extensions.contains(ending)
            {
                hasDottedPicture = true
            }
            return false
        }
        return true
    }

    private static func fault(of member: TarMember) -> String? {
        if member.name.bytes.count > mostNameBytes {
            return "name of \(member.name.bytes.count) bytes"
        }
        if member.isUnsafe { return "unsafe name" }
        switch member.kind {
        case .file: return nil
        case .link: return "link in an archive"
        case .special: return "not a regular file"
        case .sparse: return "sparse member"
        case .folder: return "folder with the name of a member"
        case .longName, .longLink, .records, .globalRecords, .other:
            return "member of unknown type"
        }
    }

    private mutating func takePicture(
        _ member: TarMember, from reader: TarReader, most: Int
    ) throws(DatasetError) {
        guard picture == nil else {
            fault = "two pictures"
            return
        }
        if let reason = PictureFile.refusal(bytes: member.size, most: most) {
            fault = reason
            return
        }
        var bytes = try reader.content(atMost: SourceOptions.foreignBytes)
        if PictureFile.isKnown(bytes) { try reader.append(atMost: member.size, to: &bytes) }
        picture = bytes
    }

    /// The missing part of the sample, such as `no label`; nil if the sample has picture and label, or a fault.
    var lack: String? {
        if fault != nil { return nil }
        if picture == nil {
            return hasDottedPicture
                ? "no field jpg, jpeg or png: names hold a dot too many" : "no picture"
        }
        return plainLabel == nil && json == nil && jsonFault == nil ? "no label" : nil
    }

    /// Returns the picture and its class; throws the reason if the sample is refused.
    func finished() throws(InputFault) -> (picture: [UInt8], classIndex: Int) {
        if let reason = fault ?? lack { throw InputFault(reason) }
        let label: Int?
        if let plainLabel {
            label = try WebDatasetLabel.plain(plainLabel)
        } else if let jsonFault {
            throw InputFault(jsonFault)
        } else {
            label = try WebDatasetLabel.json(json ?? [])
        }
        guard let label, let picture else { throw InputFault("no label") }
        return (picture, label)
    }
}
