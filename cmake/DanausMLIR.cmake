# MLIR and LLVM for the compiler's half. Only the two shared libraries are linked: libMLIR.so holds
# every dialect and pass, and a static MLIR target beside it would bring a second copy.

set(MLIR_BINARY_DIR ${PROJECT_BINARY_DIR})
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(DANAUS_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})

add_library(danaus_mlir_base INTERFACE)
target_include_directories(danaus_mlir_base SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_compile_definitions(danaus_mlir_base INTERFACE ${DANAUS_LLVM_DEFINITIONS})
target_link_libraries(danaus_mlir_base INTERFACE MLIR LLVM)

# The cache of compiled models is good for one build of the compiler and of these two.
get_target_property(llvm_library LLVM LOCATION)
get_target_property(mlir_library MLIR LOCATION)
set(DANAUS_COMPILER_LIBRARIES DANAUS_LIBLLVM="${llvm_library}" DANAUS_LIBMLIR="${mlir_library}")
target_compile_definitions(danaus_tool_command PRIVATE ${DANAUS_COMPILER_LIBRARIES})

# One precompiled header for everything that includes MLIR; the targets below reuse it.
file(WRITE ${PROJECT_BINARY_DIR}/mlir_pch.cpp.in "")
configure_file(${PROJECT_BINARY_DIR}/mlir_pch.cpp.in ${PROJECT_BINARY_DIR}/mlir_pch.cpp COPYONLY)
add_library(danaus_mlir_pch STATIC ${PROJECT_BINARY_DIR}/mlir_pch.cpp)
target_link_libraries(danaus_mlir_pch PUBLIC danaus_mlir_base)
target_precompile_headers(danaus_mlir_pch PRIVATE
  <mlir/IR/Builders.h> <mlir/IR/BuiltinOps.h> <mlir/IR/BuiltinTypes.h> <mlir/IR/Diagnostics.h>
  <mlir/IR/Dialect.h> <mlir/IR/MLIRContext.h> <mlir/IR/OpImplementation.h> <mlir/IR/PatternMatch.h>
  <mlir/Pass/Pass.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/Arith/IR/Arith.h>
  <mlir/Interfaces/SideEffectInterfaces.h> <mlir/Interfaces/InferTypeOpInterface.h>
  <mlir/Bytecode/BytecodeOpInterface.h>)

# danaus_mlir_library(NAME SOURCES file... LINK target... DEPENDS tablegen-target...)
function(danaus_mlir_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  danaus_library(${name} SOURCES ${ARG_SOURCES} LINK danaus_mlir_base ${ARG_LINK})
  target_precompile_headers(${name} REUSE_FROM danaus_mlir_pch)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()
