// swift-tools-version: 6.1
// The import graph: a module (a "room") may import only the modules that its target lists; ops/test.sh checks this.
// The floors (layers) from the bottom: C code, wrappers of C code, nouns (data types), processes (algorithms and
// services), one meeting room (the module that combines all others), doors (programs).
import PackageDescription

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let flyingFox = Target.Dependency.product(name: "FlyingFox", package: "FlyingFox")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// The setting of modules that are not optimised in release builds. These modules mostly wait for people, files and the
/// database; optimising them would take two thirds of their build time (ops/docs/results.md).
let unoptimised: [SwiftSetting] = [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let package = Package(
    name: "ofa",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "ofa", targets: ["ofa"]),
        .executable(name: "ofa-bench", targets: ["ofa-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.0"),
    ],
    targets: [
        // Floor 0: foreign C libraries, and the C code of this project.
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        // Kernels are optimised in debug builds too. Their debug information is limited to line tables, which saves a
        // fifth of their compile time.
        .target(
            name: "CKernels",
            cSettings: [
                .unsafeFlags([
                    "-O3", "-fno-math-errno", "-Xclang", "-debug-info-kind=line-tables-only",
                ])
            ]),
        .target(
            name: "CPictures", dependencies: ["CJPEG", "CPNG"],
            cSettings: [
                .unsafeFlags([
                    "-O3", "-fno-math-errno", "-Xclang", "-debug-info-kind=line-tables-only",
                ])
            ]),
        .target(
            name: "CBlobs",
            cSettings: [
                .unsafeFlags(["-O3", "-Xclang", "-debug-info-kind=line-tables-only"])
            ]),
        .target(name: "CProcessors"),
        .target(name: "CBuild", plugins: ["CommitHeader"]),
        .plugin(name: "CommitHeader", capability: .buildTool(), path: "Sources/CommitHeader"),

        // Floor 1: wrappers of C code. No floor above this one uses pointers, except in the files that HouseTests
        // lists. Every Swift module may use Intake.
        .target(name: "Intake"),
        .target(name: "Tensors", dependencies: ["Intake", "CKernels", "COpenBLAS"]),
        .target(name: "Postgres", dependencies: ["Intake", "CLibPQ"]),
        .target(name: "Metering", dependencies: ["Intake", "CProcessors"]),

        // Floor 2: nouns (data types).
        .target(name: "Datasets", dependencies: ["Intake", "Tensors", "CZlib", "CPictures"]),
        .target(name: "Networks", dependencies: ["Intake", "Tensors"]),
        .target(name: "Schema", dependencies: ["Intake", "Postgres"]),
        .target(name: "Charts", dependencies: ["Intake"]),

        // Floor 3: processes (algorithms and services).
        .target(name: "Training", dependencies: ["Intake", "Networks", "Datasets", "Tensors"]),
        .target(name: "Devices", dependencies: ["Intake", "Networks", "Tensors", yams]),
        .target(
            name: "Search", dependencies: ["Intake", "Charts", "Devices", "Networks", "Tensors"]),
        .target(name: "Interchange", dependencies: ["Intake", "Networks", "Tensors"]),
        .target(name: "Jobs", dependencies: ["Intake", "Schema", "Postgres"]),
        .target(
            name: "Artifacts",
            dependencies: [
                "Intake", "Charts", "Jobs", "Schema", "Postgres", "CLZ4", "CCrypto", "CBlobs",
            ]),
        .target(
            name: "Accounting",
            dependencies: ["Intake", "Artifacts", "Jobs", "Schema", "Metering", "Postgres"]),

        // Floor 4: the one meeting room, a module that combines all modules below it.
        .target(
            name: "Pipelines",
            dependencies: [
                "Training", "Search", "Devices", "Interchange", "Networks", "Datasets", "Tensors",
                "Jobs", "Artifacts", "Accounting", "Metering", "Schema", "Postgres", "Intake",
                "Charts", yams,
            ], swiftSettings: unoptimised),

        // Floor 5: doors (programs, and the pages and metrics that they serve).
        .target(
            name: "Dashboard",
            dependencies: [
                "Pipelines", "Search", "Devices", "Networks", "Datasets", "Jobs", "Artifacts",
                "Accounting", "Metering", "Schema", "Postgres", "Intake", "Charts", flyingFox,
            ], swiftSettings: unoptimised),
        .executableTarget(
            name: "ofa",
            dependencies: [
                "Dashboard", "Pipelines", "Jobs", "Artifacts", "Accounting", "Metering", "Search",
                "Devices",
                "Interchange", "Networks", "Datasets", "Training", "Tensors", "Schema", "Postgres",
                "Intake",
                "CBuild", argumentParser,
            ], swiftSettings: unoptimised),

        .executableTarget(
            name: "ofa-bench",
            dependencies: [
                "Pipelines", "Training", "Search", "Devices", "Interchange", "Networks",
                "Datasets", "Tensors", "Jobs", "Accounting", "Artifacts", "Schema", "Postgres",
                "Metering", argumentParser,
            ]),

        .executableTarget(
            name: "ofa-fault-worker",
            dependencies: ["Accounting", "Jobs", "Schema", "Postgres", argumentParser],
            swiftSettings: unoptimised),

        // Tests: one folder per module; `X.swift` of the module is tested in `XTests.swift`.
        .target(name: "CAllocationCounter"),
        .target(
            name: "TestSupport",
            dependencies: [
                "Postgres", "Schema", "Jobs", "Networks", "Interchange", "Tensors",
                "CAllocationCounter",
            ]),
        .testTarget(name: "IntakeTests", dependencies: ["Intake"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", "CKernels", "TestSupport"]),
        .testTarget(
            name: "PostgresTests", dependencies: ["Postgres", "TestSupport"],
            swiftSettings: unoptimised),
        .testTarget(
            name: "TestSupportTests", dependencies: ["TestSupport", "Postgres"],
            swiftSettings: unoptimised),
        .testTarget(name: "MeteringTests", dependencies: ["Metering"], swiftSettings: unoptimised),
        .testTarget(
            name: "DatasetsTests",
            dependencies: ["Datasets", "Tensors", "TestSupport", "CPictures", "CCrypto"]),
        .testTarget(name: "NetworksTests", dependencies: ["Networks", "Tensors", "TestSupport"]),
        .testTarget(
            name: "SchemaTests", dependencies: ["Schema", "Postgres", "TestSupport"],
            exclude: ["Before"],
            swiftSettings: unoptimised),
        .testTarget(name: "ChartsTests", dependencies: ["Charts"], swiftSettings: unoptimised),
        .testTarget(
            name: "TrainingTests",
            dependencies: ["Training", "Networks", "Datasets", "Tensors", "TestSupport"]),
        .testTarget(
            name: "DevicesTests", dependencies: ["Devices", "Networks", "Tensors", "TestSupport"]),
        .testTarget(
            name: "SearchTests",
            dependencies: [
                "Search", "Charts", "Devices", "Interchange", "Networks", "Tensors", "TestSupport",
            ]
        ),
        .testTarget(
            name: "InterchangeTests",
            dependencies: ["Interchange", "Networks", "Tensors", "TestSupport"]),
        .testTarget(
            name: "JobsTests",
            dependencies: ["Intake", "Jobs", "Schema", "Postgres", "TestSupport"],
            swiftSettings: unoptimised),
        .testTarget(
            name: "ArtifactsTests",
            dependencies: ["Artifacts", "Jobs", "Schema", "Postgres", "TestSupport"],
            swiftSettings: unoptimised),
        .testTarget(
            name: "AccountingTests",
            dependencies: [
                "Accounting", "Artifacts", "Jobs", "Metering", "Schema", "Postgres", "TestSupport",
            ], swiftSettings: unoptimised),
        .testTarget(
            name: "PipelinesTests",
            dependencies: [
                "Pipelines", "Training", "Search", "Devices", "Networks", "Datasets", "Jobs",
                "Artifacts",
                "Accounting", "Interchange", "Charts",
                "Schema", "Postgres", "Tensors", "TestSupport",
            ], swiftSettings: unoptimised),
        .testTarget(
            name: "DashboardTests",
            dependencies: [
                "Dashboard", "Pipelines", "Search", "Devices", "Networks", "Jobs", "Artifacts",
                "Accounting", "Charts", "Schema", "Postgres", "Intake", "TestSupport",
            ], swiftSettings: unoptimised),
        .testTarget(
            name: "ParityTests",
            dependencies: ["Training", "Networks", "Interchange", "Tensors", "TestSupport"]),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "Jobs", "Schema", "Postgres", "TestSupport", "ofa", "ofa-fault-worker",
            ], swiftSettings: unoptimised),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "ofa", "Dashboard", "Pipelines", "Jobs", "Artifacts", "Search", "Devices",
                "Networks",
                "Datasets", "Interchange",
                "Tensors", "Postgres", "Intake", "TestSupport",
            ], swiftSettings: unoptimised),
        .testTarget(
            name: "BenchTests", dependencies: ["ofa-bench", "Networks", "Tensors"],
            swiftSettings: unoptimised),
        .testTarget(
            name: "TidyTests", dependencies: ["TestSupport"], exclude: ["AddedLayer"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)
