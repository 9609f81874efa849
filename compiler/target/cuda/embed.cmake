# cmake -DFILES=a.cuh;b.cuh -DOUTPUT=DeviceCode.cpp -P embed.cmake: the files' texts as constants
# danaus::cuda::device::a, b.
set(text "// Generated from device/*.cuh.\n#include \"compiler/target/cuda/EmitKernels.h\"\n\nnamespace danaus::cuda::device {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} content)
  string(APPEND text "const llvm::StringLiteral ${name} = R\"cuda(${content})cuda\";\n")
endforeach()
string(APPEND text "} // namespace danaus::cuda::device\n")
file(WRITE ${OUTPUT} "${text}")
